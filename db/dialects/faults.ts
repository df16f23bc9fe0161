import { setTimeout as sleep } from 'node:timers/promises'
import { RequestError } from 'tedious'
import { DatabaseUnavailable } from './dialect.ts'

/**
 * Transient errors: the same connect or statement may succeed when repeated. The first line has the
 * transient and the resource governance errors of "Troubleshoot connectivity issues and other errors with
 * Azure SQL Database" on learn.microsoft.com. The second line has what Microsoft's EF Core
 * (SqlServerTransientExceptionDetector) adds, without the numbers of its network library, which tedious
 * never reports.
 */
const transientNumbers = new Set([
  615, 926, 4060, 4221, 40197, 40501, 40613, 42108, 42109, 49918, 49919, 49920, 10928, 10929, 10936,
  40143, 40166, 40540, 41839, 49977, 49983,
])

/** The transaction or the single statement conflicted with another one and was rolled back. */
const conflictNumbers = new Set([
  // Deadlock victim, lock timeout, snapshot conflict; then the same for memory-optimized tables.
  1205, 1222, 3960, 41301, 41302, 41305, 41325,
  // Our own: the lock on the words was not given.
  51003,
])

/** Babelfish (PostgreSQL behind TDS) has one number for all errors that SQL Server lacks, so match texts. */
const conflictText = /could not serialize access|deadlock detected|due to lock timeout/

/** Login errors that need a change of the settings. The service retries the connection all the same. */
const loginNumbers = new Set([18452, 18456, 18470, 18486, 18487, 18488, 40532, 40615, 40914, 47073])

/** tedious' codes for a wrong use of its API. */
const misuseCodes = new Set(['EARGS', 'EPARAM', 'EINVALIDSTATE', 'ENOTSUPPORTED'])

/**
 * `unavailable`: the connection or the server is lost, or the server is at a limit. `conflict`: rolled back
 * in favour of another transaction. `timeout`: too slow; a retry would only add to the load. `refused`:
 * the login failed.
 */
export type FaultKind = 'unavailable' | 'conflict' | 'timeout' | 'refused'

/** An error of the database or the connection, not of the statement. */
export class Fault extends DatabaseUnavailable {
  readonly kind: FaultKind

  constructor(kind: FaultKind, cause: Error) {
    super(cause.message, { cause })
    this.kind = kind
  }
}

/** The properties of errors from the driver and the pool that are used here. */
interface DriverError extends Error {
  code?: string
  /** The server's error number. openConnection in mssql-connection.ts adds it to login errors. */
  number?: number
  /** The severity: from 20 on the server closes the connection. */
  class?: number
}

/**
 * Wraps the driver's error in a Fault; returns it unchanged if the statement itself is wrong. `closed`:
 * the connection is closed, so an error without a server's number counts as `unavailable`.
 */
export function asFault(error: unknown, closed = false): Error {
  const first = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error) || first instanceof DatabaseUnavailable) return first as Error
  const lost = closed && (first as DriverError).number === undefined ? 'unavailable' : undefined
  const kind = kindOf(first) ?? lost
  return kind === undefined ? first : new Fault(kind, first)
}

function kindOf(error: DriverError): FaultKind | undefined {
  const { number, code = '', name } = error
  if (number !== undefined) {
    if (conflictNumbers.has(number) || conflictText.test(error.message)) return 'conflict'
    if (loginNumbers.has(number)) return 'refused'
    // A login that fails with any other number: the server starts, stops or is at its limit.
    const unavailable = code === 'ELOGIN' || (error.class ?? 0) >= 20
    return unavailable || transientNumbers.has(number) ? 'unavailable' : undefined
  }
  // From the pool: no connection became free in time.
  if (name === 'TimeoutError') return 'timeout'
  if (error instanceof RequestError && (code === 'ETIMEOUT' || code === 'ECANCEL')) return 'timeout'
  // A timed-out request whose cancellation was not confirmed either.
  if (code === 'ETIMEOUT' && error.message.startsWith('Failed to cancel')) return 'timeout'
  if (code === 'ELOGIN' || code === 'EFEDAUTH') return 'refused'
  return code.startsWith('E') && !misuseCodes.has(code) ? 'unavailable' : undefined
}

/** Maximum milliseconds before the second and later attempts; the pause is random from half of it up. */
const pauses = [50, 150, 450, 1000]
/** Milliseconds after which no further attempt starts. */
const retryBudget = 4000

export const mayRetry = (error: unknown): error is Fault =>
  error instanceof Fault && (error.kind === 'unavailable' || error.kind === 'conflict')

/**
 * Runs `attempt`, and repeats it after `unavailable` and `conflict`, five attempts at most, with growing
 * pauses. Only for repeatable work: reads, and transactions that certainly did not commit.
 */
export async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + retryBudget
  for (const pause of pauses) {
    try {
      return await attempt()
    } catch (error) {
      if (!mayRetry(error) || performance.now() > deadline) throw error
      await sleep(pause * (0.5 + Math.random() / 2))
    }
  }
  return attempt()
}
