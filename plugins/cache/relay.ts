import type { OutboxRow } from '../../db/outbox.ts'
import type { Journal } from './journal.ts'

export interface RelayOptions {
  read: () => Promise<OutboxRow[]>
  remove: (ids: number[]) => Promise<void>
  journal: Pick<Journal, 'relay'>
  /** Milliseconds between two looks into the outbox. */
  every: number
  onError: (error: unknown) => void
}

/**
 * Rule 6. Applies what is left in the outbox: writes that found Redis gone, writers that died between
 * commit and finish, and whatever loads data past the API. Several instances may apply a row at once:
 * applying it twice does no harm, and only then is it removed.
 */
export function createRelay({ read, remove, journal, every, onError }: RelayOptions) {
  let seen = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<boolean> | undefined
  let stopped = false

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
      running = drain(true).catch((error) => {
        onError(error)
        return false
      })
      running.then(schedule)
    }, every)
    timer.unref()
  }

  return {
    drain,
    start: schedule,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

export type Relay = ReturnType<typeof createRelay>
