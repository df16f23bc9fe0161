import createError from '@fastify/error'
import type { Mark } from './journal.ts'
import { type Cache, MarkLost } from './protocol.ts'
import { type Change, formatChange, normalChange } from './tags.ts'

/** A row of the outbox: a committed write that some instance may not know of yet. */
export interface OutboxRow {
  /** In the order of insertion, and never used for another row: a row is removed by it. */
  id: number
  /** The change, in the form of `formatChange`. */
  change: string
  /** The id of the write's mark, placed or not; null for a write made directly in the database. */
  mark: string | null
}

/** The outbox table (transactional outbox). `Trx` is what the application's transactions give. */
export interface Outbox<Trx = unknown> {
  /** Adds a row in the write's own transaction. */
  insert(trx: Trx, change: string, mark: string): Promise<void>
  /** All rows, the oldest first. */
  read(): Promise<OutboxRow[]>
  remove(ids: number[]): Promise<void>
  removeByMark(mark: string): Promise<void>
}

/** The application's database, as a write needs it. */
export interface WriteStore<Trx = unknown> {
  outbox: Outbox<Trx>
  /** Runs `work` in a transaction; rolls back when it throws. May run it again after a fault. */
  transaction<T>(work: (trx: Trx) => Promise<T>): Promise<T>
}

/** What a write does in its transaction: its result, and what it changed. */
export type Work<T, Trx> = (trx: Trx) => Promise<{ result: T; change: Change }>

/** A committed write whose invalidation is still to be finished. */
export interface Committed {
  change: Change
  mark: Mark
}

const Busy = createError<[string]>('CACHE_BUSY', '%s', 503)

/** 503: a write lost its mark again and again, and was rolled back. */
export class CacheBusy extends Busy {
  readonly headers = { 'retry-after': '1' }

  constructor(cause: unknown) {
    super('the cache lost the mark of this write several times; nothing was changed')
    this.cause = cause
  }
}

const maxAttempts = 3

/**
 * Rule 6. Runs `work` in a transaction, marks what it changes and adds an outbox row. A mark that is lost
 * or too old before the commit rolls back and begins again. A failure before the commit removes the
 * mark; a commit of unknown outcome leaves it to its lease and the outbox.
 * @throws CacheBusy when the mark was lost three times
 */
export async function commit<T, Trx>(
  { outbox, transaction }: WriteStore<Trx>,
  cache: Cache,
  work: Work<T, Trx>,
): Promise<Committed & { result: T }> {
  for (let attempt = 1; ; attempt += 1) {
    let marked: Committed | undefined
    let committing = false
    try {
      const result = await transaction(async (trx: Trx) => {
        // The database may have rolled back and run this again.
        if (marked !== undefined) await cache.journal.finish(marked.change, marked.mark.id)
        marked = undefined
        committing = false
        const { result, change } = await work(trx)
        const normal = normalChange(change)
        marked = { change: normal, mark: await cache.journal.mark(normal) }
        await outbox.insert(trx, formatChange(normal), marked.mark.id)
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
      if (attempt === maxAttempts) throw new CacheBusy(error)
    }
  }
}

/**
 * Rule 6. After the commit and before the answer: deletes the touched answers, removes the mark and the
 * outbox row. False: Redis is out of reach, and the outbox row stays for the instance that reaches it.
 */
export async function finish(
  { outbox }: Pick<WriteStore, 'outbox'>,
  cache: Cache,
  { change, mark }: Committed,
): Promise<boolean> {
  if (!(await cache.journal.finish(change, mark.id))) return false
  // A row that cannot be removed now is applied once more by the relay, which does no harm.
  await outbox.removeByMark(mark.id).catch(() => {})
  return true
}
