import type { Kysely, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** Milliseconds for which an answer is kept. */
const lifetime = 24 * 3600 * 1000

/** What was answered under a key. */
export interface KeyRow {
  /** The request, hashed: method, URL and body. */
  fingerprint: string
  /** JSON. */
  answer: string
}

/** The row of a key whose write was committed in the last 24 hours. */
export async function findKey(db: Kysely<Schema>, hash: string): Promise<KeyRow | undefined> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['fingerprint', 'answer'])
    .where('hash', '=', hash)
    .where('created_at', '>', oldest())
    .executeTakeFirst()
  return row === undefined ? undefined : { ...row, answer: row.answer ?? '' }
}

/**
 * Takes a key for the write of `trx`, and removes what has expired. Of two writes with one key the second
 * waits for the first, and fails when that commits.
 */
export async function takeKey(
  trx: Transaction<Schema>,
  hash: string,
  fingerprint: string,
): Promise<void> {
  await trx.deleteFrom('idempotency_keys').where('created_at', '<=', oldest()).execute()
  const created_at = new Date().toISOString()
  await trx
    .insertInto('idempotency_keys')
    .values({ hash, fingerprint, created_at, answer: null })
    .execute()
}

/** Keeps the answer to the write of `trx`. */
export async function keepAnswer(
  trx: Transaction<Schema>,
  hash: string,
  answer: string,
): Promise<void> {
  await trx.updateTable('idempotency_keys').set({ answer }).where('hash', '=', hash).execute()
}

const oldest = () => new Date(Date.now() - lifetime).toISOString()
