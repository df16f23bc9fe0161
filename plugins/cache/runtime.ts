import { randomBytes } from 'node:crypto'

/**
 * Time, timers and chance, as the cache uses them. The product runs on `systemRuntime`; a test may hand
 * in a world of its own, in which one seed decides everything.
 */
export interface Runtime {
  /** Milliseconds of a clock that never goes back. */
  now: () => number
  /** Milliseconds since the Unix epoch, by this machine's clock. */
  date: () => number
  /** 0 <= x < 1 */
  random: () => number
  /** A name that nothing else will ever have. */
  token: () => string
  /** Rejects when `signal` is aborted. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  /** Runs `work` once; returns how to cancel it. Keeps no process alive, as `every`. */
  after: (ms: number, work: () => void) => Cancel
  every: (ms: number, work: () => void) => Cancel
  /** Runs `work` when every socket that had something to read has been read. */
  immediate: (work: () => void) => void
}

export type Cancel = () => void

export const systemRuntime: Runtime = {
  now: () => performance.now(),
  date: Date.now,
  random: Math.random,
  token: () => randomBytes(9).toString('base64url'),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const abort = () => {
        clearTimeout(timer)
        reject(signal!.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }, ms)
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    }),
  after: (ms, work) => {
    const timer = setTimeout(work, ms).unref()
    return () => clearTimeout(timer)
  },
  every: (ms, work) => {
    const timer = setInterval(work, ms).unref()
    return () => clearInterval(timer)
  },
  immediate: setImmediate,
}
