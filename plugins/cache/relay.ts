import type { Journal } from './journal.ts'
import { type Cancel, type Runtime, systemRuntime } from './runtime.ts'
import { parseChange } from './tags.ts'
import type { Outbox } from './write.ts'

export interface RelayOptions {
  outbox: Pick<Outbox, 'read' | 'remove'>
  journal: Pick<Journal, 'apply'>
  /** Milliseconds between two reads of the outbox. */
  interval: number
  /** Milliseconds without a request after which it pauses, so that a serverless database may pause too. */
  idleAfter?: number
  /** Milliseconds that a request waits at most for the first read after a pause. */
  resumeTimeout?: number
  runtime?: Runtime
  onError: (error: unknown) => void
}

/**
 * Rule 6. Applies what is left in the outbox: writes that could not reach Redis, writers that died between
 * commit and finish, and rows written directly to the database. Several instances may apply a row:
 * applying it twice does no harm, and it is removed only afterwards.
 */
export function createRelay(options: RelayOptions) {
  const { outbox, journal, interval, idleAfter = Infinity, resumeTimeout = 2000 } = options
  const { runtime = systemRuntime, onError } = options
  /** Rows of the last read. */
  let seen = new Set<number>()
  let cancel: Cancel = () => {}
  let running: Promise<boolean> | undefined
  let stopped = false
  let lastRequest = runtime.now()
  let paused = false
  let resuming: Promise<boolean> | undefined

  /**
   * Applies every row. With `deferRecent` it leaves a row that it sees for the first time until the next
   * read: its writer is probably about to finish it, and until then its mark protects it. (A mark that
   * could not be placed protects nothing: such a write takes up to two intervals to be seen.) False: some
   * rows could not be applied.
   */
  async function drain(deferRecent = false): Promise<boolean> {
    const rows = await outbox.read()
    const due = rows.filter(({ id, mark }) => !deferRecent || mark === null || seen.has(id))
    const applied: number[] = []
    for (const { id, change, mark } of due) {
      if (!(await journal.apply(parseChange(change), mark))) break
      applied.push(id)
    }
    await outbox.remove(applied)
    seen = new Set(rows.map(({ id }) => id))
    return applied.length === due.length
  }

  const drainSafely = (deferRecent: boolean) =>
    drain(deferRecent).catch((error) => {
      onError(error)
      return false
    })

  function schedule(): void {
    if (stopped) return
    cancel = runtime.after(interval, () => {
      if (runtime.now() - lastRequest > idleAfter) {
        paused = true
        return
      }
      running = drainSafely(true)
      void running.then(schedule)
    })
  }

  /**
   * To be called before the cache is used. True while the outbox is being read at intervals. After an idle
   * pause, a promise of whether the cache may be used: it drains the outbox first. If that fails or takes
   * too long, this request bypasses the cache and the next one tries again.
   */
  function beforeLookup(): true | Promise<boolean> {
    lastRequest = runtime.now()
    if (!paused) return true
    resuming ??= resume().finally(() => {
      resuming = undefined
    })
    return resuming
  }

  async function resume(): Promise<boolean> {
    const drained = drainSafely(false).then((all) => {
      if (all && paused) {
        paused = false
        schedule()
      }
      return all
    })
    return Promise.race([drained, runtime.sleep(resumeTimeout).then(() => false)])
  }

  return {
    drain,
    beforeLookup,
    start: schedule,
    get paused() {
      return paused
    },
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}

export type Relay = ReturnType<typeof createRelay>
