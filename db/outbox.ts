import type { Kysely, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** A committed write that some cache may not know of yet. */
export interface OutboxRow {
  id: number
  /** What it changed, in the cache's own form; `*` for everything. */
  change: string
  /** The mark under which it was committed; null for a write made directly in the database. */
  mark: string | null
}

/** Adds a row in the write's own transaction. */
export async function insertOutbox(
  trx: Transaction<Schema>,
  change: string,
  mark: string | null,
): Promise<void> {
  await trx.insertInto('outbox').values({ tags: change, mark }).execute()
}

/** All rows, the oldest first. */
export async function readOutbox(db: Kysely<Schema>): Promise<OutboxRow[]> {
  const rows = await db.selectFrom('outbox').select(['id', 'tags', 'mark']).orderBy('id').execute()
  return rows.map(({ id, tags, mark }) => ({ id, mark, change: tags }))
}

/** SQL Server takes at most 2100 parameters in a statement. */
const maxIds = 1000

export async function deleteOutbox(db: Kysely<Schema>, ids: number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += maxIds) {
    await db
      .deleteFrom('outbox')
      .where('id', 'in', ids.slice(at, at + maxIds))
      .execute()
  }
}

/** Removes the row of a finished write. */
export async function deleteOutboxByMark(db: Kysely<Schema>, mark: string): Promise<void> {
  await db.deleteFrom('outbox').where('mark', '=', mark).execute()
}
