import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxRow } from '../../db/outbox.ts'
import type { Journal } from './journal.ts'

export interface RelayOptions {
  read: () => Promise<OutboxRow[]>
  remove: (ids: number[]) => Promise<void>
  journal: Pick<Journal, 'relay'>
  /** Milliseconds between two looks into the outbox. */
  every: number
  /** Milliseconds without a request after which it looks no more, so that a database may pause. */
  idleAfter?: number
  /** Milliseconds that the first request afterwards waits for the outbox at the most. */
  wakeLimit?: number
  onError: (error: unknown) => void
}

/**
 * Rule 6. Applies what is left in the outbox: writes that found Redis gone, writers that died between
 * commit and finish, and whatever loads data past the API. Several instances may apply a row at once:
 * applying it twice does no harm, and only then is it removed.
 */
export function createRelay(options: RelayOptions) {
  const { read, remove, journal, every, idleAfter = Infinity, wakeLimit = 2000, onError } = options
  let seen = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<boolean> | undefined
  let stopped = false
  let requested = performance.now()
  let asleep = false
  let waking: Promise<boolean> | undefined

  /**
   * Applies every row; with `patient`, leaves a row whose writer is probably just finishing it for
   * one more round (its mark protects it meanwhile). `false`: some could not be applied.
   */
  async function drain(patient = false): Promise<boolean> {
    const rows = await read()
    const due = rows.filter(({ id, mark }) => !patient || mark === null || seen.has(id))
    const applied: number[] = []
    for (const { id, change, mark } of due) {
      if (!(await journal.relay(change, mark))) break
      applied.push(id)
    }
    await remove(applied)
    seen = new Set(rows.map(({ id }) => id))
    return applied.length === due.length
  }

  function schedule() {
    if (stopped) return
    timer = setTimeout(() => {
      if (performance.now() - requested > idleAfter) {
        asleep = true
        return
      }
      running = drain(true).catch((error) => {
        onError(error)
        return false
      })
      running.then(schedule)
    }, every)
    timer.unref()
  }

  /**
   * Tells of a request that is about to use the cache. `true`: it may, the outbox is looked into all
   * the time. Else whether it may once the first look after a pause has ended; if that fails or takes
   * too long, this request goes past the cache and the next one asks again.
   */
  function wake(): true | Promise<boolean> {
    requested = performance.now()
    if (!asleep) return true
    waking ??= wakeUp().finally(() => {
      waking = undefined
    })
    return waking
  }

  async function wakeUp(): Promise<boolean> {
    const drained = drain().then((all) => {
      if (all && asleep) {
        asleep = false
        schedule()
      }
      return all
    })
    const looked = drained.catch((error) => {
      onError(error)
      return false
    })
    return Promise.race([looked, sleep(wakeLimit, false)])
  }

  return {
    drain,
    wake,
    start: schedule,
    get asleep() {
      return asleep
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

export type Relay = ReturnType<typeof createRelay>
