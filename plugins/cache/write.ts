import type { Transaction } from 'kysely'
import type { Database } from '../../db/dialects/dialect.ts'
import { deleteOutboxMark, insertOutbox } from '../../db/outbox.ts'
import type { Schema } from '../../db/schema.ts'
import { Unavailable } from '../errors.ts'
import type { Mark } from './journal.ts'
import type { Change } from './keys.ts'
import { type Cache, MarkLost } from './protocol.ts'

/** A committed write whose invalidation is still to be finished. */
export interface Committed {
  change: Change
  mark: Mark
}

/** What a write does in its transaction: its result, and the images of what it changed. */
export type Work<T> = (trx: Transaction<Schema>) => Promise<{ result: T; change: Change }>

const attempts = 3

/**
 * Rule 6. Runs `work` in a transaction that marks what it changes and leaves an outbox row. A mark
 * that is lost or too old before the commit rolls back and begins again. Whatever fails before the
 * commit takes its mark away; a commit of unknown outcome leaves it to its lease and the outbox.
 */
export async function commit<T>(
  database: Database,
  cache: Cache,
  work: Work<T>,
): Promise<Committed & { result: T }> {
  for (let attempt = 1; ; attempt += 1) {
    let marked: Committed | undefined
    let committing = false
    try {
      const result = await database.writer.transaction().execute(async (trx) => {
        // Not the first time: the database has rolled back, and its dialect begins again.
        if (marked !== undefined) await cache.journal.finish(marked.change, marked.mark.id)
        marked = undefined
        committing = false
        const { result, change } = await work(trx)
        marked = { change, mark: await cache.journal.mark(change) }
        await insertOutbox(trx, change, marked.mark.id)
        await cache.confirm(marked.mark)
        committing = true
        return result
      })
      return { ...marked!, result }
    } catch (error) {
      if (marked !== undefined && !committing) {
        await cache.journal.finish(marked.change, marked.mark.id)
      }
      if (!(error instanceof MarkLost)) throw error
      if (attempt === attempts) {
        throw new Unavailable('the cache kept losing the write; nothing was changed', 1, {
          cause: error,
        })
      }
    }
  }
}

/**
 * Rule 6. After the commit and before the answer: the dead keys go, the mark goes, the outbox row
 * goes. `false`: Redis is out of reach and the outbox row stays for whoever reaches it.
 */
export async function finish(
  database: Database,
  cache: Cache,
  { change, mark }: Committed,
): Promise<boolean> {
  if (!(await cache.journal.finish(change, mark.id))) return false
  // A row that cannot be removed now is applied once more by the relay, which does no harm.
  await deleteOutboxMark(database.writer, mark.id).catch(() => {})
  return true
}
