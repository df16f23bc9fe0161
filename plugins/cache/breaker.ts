import { setTimeout as sleep } from 'node:timers/promises'

export interface BreakerOptions {
  /** Tries to make the dependency fit for use; true when it is. */
  recover: (signal: AbortSignal) => Promise<boolean>
  /** Milliseconds between two tries. */
  every: number
  onChange: (closed: boolean) => void
}

/**
 * Rule 8. A circuit breaker: open while the dependency is away, so that nobody waits for it, and closed
 * again by itself. Whatever trips it while it recovers makes it begin anew.
 */
export function createBreaker({ recover, every, onChange }: BreakerOptions) {
  const stopped = new AbortController()
  let closed = false
  let trips = 0
  let recovering = false

  async function run(): Promise<void> {
    if (recovering) return
    recovering = true
    while (!closed && !stopped.signal.aborted) {
      const before = trips
      const fit = await recover(stopped.signal).catch(() => false)
      if (fit && trips === before && !stopped.signal.aborted) {
        closed = true
        onChange(true)
      } else {
        await sleep(every, undefined, { signal: stopped.signal }).catch(() => {})
      }
    }
    recovering = false
  }

  return {
    get closed() {
      return closed
    },
    start: () => void run(),
    trip(): void {
      trips += 1
      if (closed) onChange(false)
      closed = false
      if (!stopped.signal.aborted) void run()
    },
    stop: () => stopped.abort(),
  }
}
