import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'tarn'
import type { ConnectOptions } from './dialect.ts'
import { asFault, type Fault, mayRetry } from './faults.ts'
import {
  type Authentication,
  closeConnection,
  MssqlConnection,
  openConnection,
} from './mssql-connection.ts'
import { isClosed } from './mssql-request.ts'
import type { MssqlSettings } from './mssql-url.ts'

/** Milliseconds that `connect` keeps trying by default. A paused serverless database takes a minute. */
const connectBudget = 90_000
/** Minimum milliseconds between two calls of `onRetry`. */
const reportInterval = 10_000

/** Connections to the database of `settings`, opened on demand. */
export function openPool(settings: MssqlSettings, authentication: Authentication) {
  let reachable = true
  const closing = new AbortController()
  const pool = new Pool<MssqlConnection>({
    min: 0,
    max: settings.poolMax,
    acquireTimeoutMillis: settings.acquireTimeout,
    createTimeoutMillis: settings.connectTimeout + 1000,
    idleTimeoutMillis: settings.idleTimeout,
    reapIntervalMillis: Math.min(1000, settings.idleTimeout),
    destroyTimeoutMillis: 2000,
    propagateCreateError: true,
    create: async () => {
      try {
        const opened = await openConnection(settings, authentication, closing.signal)
        reachable = true
        return new MssqlConnection(opened)
      } catch (error) {
        reachable = false
        throw error
      }
    },
    // Costs nothing: tedious has already noticed a closed socket.
    validate: ({ tedious }) => !isClosed(tedious),
    destroy: ({ tedious }) => closeConnection(tedious),
    log: () => {},
  })
  const acquire = async () => {
    try {
      return await pool.acquire().promise
    } catch (error) {
      throw asFault(error)
    }
  }
  const close = async () => {
    // Without it the pool would wait for connections that are still being opened.
    closing.abort()
    await pool.destroy()
  }
  return { pool, acquire, close, reachable: () => reachable }
}

/** Repeats `attempt` until it succeeds, the error is not transient, or `budget` milliseconds have passed. */
export async function retryConnect(
  attempt: () => Promise<void>,
  { onRetry = () => {}, signal, budget = connectBudget }: ConnectOptions = {},
): Promise<void> {
  const deadline = performance.now() + budget
  const aborted = rejectOnAbort(signal)
  let lastReport = -Infinity
  for (;;) {
    try {
      return await Promise.race([attempt(), aborted])
    } catch (error) {
      const retryable = mayRetry(error) || (error as Fault).kind === 'timeout'
      if (!retryable || performance.now() > deadline) throw error
      if (performance.now() - lastReport > reportInterval) {
        lastReport = performance.now()
        onRetry(error as Fault)
      }
      await sleep(500 + 500 * Math.random(), undefined, { signal })
    }
  }
}

/** Rejects once `signal` is aborted. */
function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  signal?.addEventListener('abort', () => reject(signal.reason))
  return promise
}
