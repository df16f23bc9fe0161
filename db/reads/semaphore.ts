import { TooManyReads } from '../dialects/dialect.ts'

interface SemaphoreOptions {
  /** How many run at a time. */
  maxRunning: number
  /** How many wait; those beyond are refused. */
  maxWaiting: number
}

/** A semaphore with a bounded queue: lets a number of reads run at a time, in the order in which they came. */
export function createSemaphore({ maxRunning, maxWaiting }: SemaphoreOptions) {
  const waiting = new Set<() => void>()
  let running = 0

  function release(): void {
    const [next] = waiting
    if (next === undefined) running -= 1
    else next()
  }

  /** @throws TooManyReads when as many wait as may */
  function admit(): void {
    if (running < maxRunning || waiting.size < maxWaiting) return
    throw new TooManyReads(`${waiting.size} reads wait already`)
  }

  /**
   * Resolves when a read may begin. `release` must be called when it has ended.
   * @throws TooManyReads when as many wait as may, and the signal's reason when it aborts first
   */
  async function acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (running < maxRunning) {
      running += 1
      return
    }
    admit()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const begin = () => {
      waiting.delete(begin)
      signal?.removeEventListener('abort', giveUp)
      resolve()
    }
    const giveUp = () => {
      waiting.delete(begin)
      reject(signal!.reason)
    }
    waiting.add(begin)
    signal?.addEventListener('abort', giveUp, { once: true })
    return promise
  }

  return { admit, acquire, release }
}
