import type { Kysely, Transaction } from 'kysely'
import { type Change, everything } from '../plugins/cache/keys.ts'
import type { Schema } from './schema.ts'

/** A committed write that the cache may not have been told of. */
export interface OutboxRow {
  id: number
  change: Change
  /** The mark under which it was committed; null for a write past the API. */
  mark: string | null
}

/** Leaves the trace of a write in its own transaction (rule 6) and gives the row's id. */
export async function insertOutbox(
  trx: Transaction<Schema>,
  change: Change,
  mark: string | null,
): Promise<void> {
  await trx
    .insertInto('outbox')
    .values({ tags: change === everything ? everything : JSON.stringify(change), mark })
    .execute()
}

/** What is left in the outbox, oldest first. A row that is no JSON counts as everything. */
export async function readOutbox(db: Kysely<Schema>): Promise<OutboxRow[]> {
  const rows = await db.selectFrom('outbox').select(['id', 'tags', 'mark']).orderBy('id').execute()
  return rows.map(({ id, tags, mark }) => ({ id, mark, change: parse(tags) }))
}

/** SQL Server takes 2100 parameters a statement. */
const idsAtATime = 1000

export async function deleteOutbox(db: Kysely<Schema>, ids: number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += idsAtATime) {
    await db
      .deleteFrom('outbox')
      .where('id', 'in', ids.slice(at, at + idsAtATime))
      .execute()
  }
}

/** Drops the row of a finished write. */
export async function deleteOutboxMark(db: Kysely<Schema>, mark: string): Promise<void> {
  await db.deleteFrom('outbox').where('mark', '=', mark).execute()
}

/** Images written by hand may be anything: what is not a list of lists of tags counts as everything. */
function parse(tags: string): Change {
  try {
    const images: unknown = JSON.parse(tags)
    if (isKey(images)) return { key: images.key }
    if (!Array.isArray(images) || images.length === 0 || !images.every(isImage)) return everything
    return images.map((image) => [...new Set(image)].sort())
  } catch {
    return everything
  }
}

const isKey = (change: unknown): change is { key: string } =>
  isText((change as { key: unknown } | null)?.key, /^[^@\s]\S*$/)

const isImage = (image: unknown): image is string[] =>
  Array.isArray(image) && image.every((tag) => isText(tag, /^[^\s,]+$/))

/** Half a surrogate pair is no character, and Redis could not read it. */
const isText = (value: unknown, form: RegExp): value is string =>
  typeof value === 'string' && value.isWellFormed() && form.test(value)
