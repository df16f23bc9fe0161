import type { Runtime } from './runtime.ts'

/** What is to be done for each waiting request, once it is known whether the replica is current. */
export type Waiters = ((current: boolean) => void)[]

/**
 * Adds a request to `waiters`, and resolves to what `then` returns. `then` runs in a loop over all waiters
 * and in the trace of any of them: it has to be short, and what is to be traced comes after the promise.
 */
export function enqueue<T>(waiters: Waiters, then: (current: boolean) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    waiters.push((current) => {
      try {
        resolve(then(current))
      } catch (error) {
        reject(error)
      }
    })
  })
}

/** Calls all waiters, the latest first: its data is still in the processor's caches. */
export function notifyAll(waiters: Waiters, current: boolean): void {
  for (let at = waiters.length - 1; at >= 0; at -= 1) waiters[at]!(current)
}

/** Requests that share one read of the clock. */
interface Batch {
  size: number
  start: () => void
  /** The reply to the read, once it has been started. */
  reply: Promise<boolean>
  firstWave: Waiters
  secondWave: Waiters
}

/** One request in so many goes into the second wave. */
const secondWaveOneIn = 8

/**
 * Rule 4. Makes the requests of one turn of the event loop share a read, sent when the turn ends. A
 * request never joins a read that was already sent: its reply may predate the request, and so miss a
 * write that ended before the request arrived.
 *
 * Two refinements, for throughput alone. Batching as in RFC 896: a batch is sent at once if it is at
 * least half of the requests in flight, else when enough of those have been answered. And one request in
 * eight of a batch is answered only when the next read is on its way, so that the processor is not idle
 * while Redis reads.
 *
 * @param read whether the replica is current after the read; never rejects
 * @returns waits for the next read, and resolves to what `then` returns
 */
export function coalesce(
  read: () => Promise<boolean>,
  { immediate }: Pick<Runtime, 'immediate'>,
): <T>(then: (current: boolean) => T) => Promise<T> {
  let openBatch: Batch | undefined
  let scheduled = false
  /** How many requests wait for a read that has been sent. */
  let inFlight = 0

  function join<T>(then: (current: boolean) => T): Promise<T> {
    openBatch ??= createBatch()
    openBatch.size += 1
    if (!scheduled) immediate(endOfTurn)
    scheduled = true
    const { size, firstWave, secondWave } = openBatch
    return enqueue(size % secondWaveOneIn === 0 ? secondWave : firstWave, then)
  }

  /** A callback runs in the trace of the request that attached it: here the first one of the batch. */
  function createBatch(): Batch {
    const { promise, resolve } = Promise.withResolvers<void>()
    return { size: 0, start: resolve, reply: promise.then(read), firstWave: [], secondWave: [] }
  }

  function endOfTurn(): void {
    scheduled = false
    send()
  }

  function send(): void {
    const batch = openBatch
    if (batch === undefined || batch.size * 2 < inFlight) return
    openBatch = undefined
    inFlight += batch.size
    batch.start()
    void batch.reply.then((current) => {
      notifyAll(batch.firstWave, current)
      // Two turns: clients that have just been answered may send their next request meanwhile.
      immediate(() =>
        immediate(() => {
          inFlight -= batch.size
          send()
          notifyAll(batch.secondWave, current)
        }),
      )
    })
  }

  return join
}
