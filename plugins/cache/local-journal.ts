import { enqueue, notifyAll, type Waiters } from './batches.ts'
import type { Journal, JournalEvents } from './journal.ts'
import type { Replica } from './replica.ts'
import { type Runtime, systemRuntime } from './runtime.ts'
import { type Change, everything, touches } from './tags.ts'
import { waits } from './waits.ts'

/**
 * Rule 9. The journal of a process that shares its cache with no other. `foreignVersion` is a number that
 * moves with every commit by another process. It does not tell what they changed, so everything goes.
 */
export function createLocalJournal(
  replica: Replica,
  { onEntry, onReset }: JournalEvents,
  foreignVersion?: () => number,
  runtime: Runtime = systemRuntime,
): Journal {
  const marks = new Map<string, { change: Change; expires: number }>()
  let lastForeign = foreignVersion?.()
  onReset({ epoch: runtime.token(), position: 0, token: '' })

  const append = (change: Change) =>
    onEntry({ position: replica.version.position + 1, token: runtime.token(), change })

  function checkForeign(): void {
    const seen = foreignVersion?.()
    if (seen === lastForeign) return
    lastForeign = seen
    append(everything)
  }

  /** A check that throws counts as "not current": no hit, and nothing stored. */
  function isCurrent(): boolean {
    try {
      checkForeign()
      return true
    } catch {
      return false
    }
  }

  let waiters: Waiters = []
  /** The requests of one turn of the event loop share a check, which comes after all of them arrived. */
  function sync<T>(then: (current: boolean) => T): T | Promise<T> {
    if (foreignVersion === undefined) return then(true)
    if (waiters.length === 0) {
      runtime.immediate(() => {
        const all = waiters
        waiters = []
        notifyAll(all, isCurrent())
      })
    }
    return enqueue(waiters, then)
  }

  async function finish(change: Change, mark: string | null): Promise<boolean> {
    append(change)
    if (mark !== null) marks.delete(mark)
    return true
  }

  return {
    sync,
    finish,
    mark: async (change) => {
      const since = runtime.now()
      const mark = { id: runtime.token(), change, placed: true, since }
      marks.set(mark.id, { change, expires: since + waits.lease })
      append(change)
      return mark
    },
    isMarked: async ({ id }) => (marks.get(id)?.expires ?? 0) > runtime.now(),
    /** `foreignVersion` shows the writes of other processes, but not one of our own that did not finish. */
    apply: async (change, mark) => {
      const own = mark !== null && marks.has(mark)
      return foreignVersion === undefined || own ? finish(change, mark) : true
    },
    store: async (fill) => {
      if (!isCurrent()) return undefined
      for (const [id, { change, expires }] of marks) {
        if (expires <= runtime.now()) marks.delete(id)
        else if (touches(change, fill)) return undefined
      }
      if (!replica.isUnchangedSince(fill.version, fill)) return undefined
      return { version: replica.version, shared: false }
    },
    load: async () => undefined,
    list: async () => undefined,
    state: () => 'unset',
    remove: async () => {},
    close: async () => {},
  }
}
