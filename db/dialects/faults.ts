import { setTimeout as sleep } from 'node:timers/promises'
import { RequestError } from 'tedious'
import { DatabaseUnavailable } from './dialect.ts'

/**
 * Error numbers after which the same connect or statement may succeed, the connection lost or not.
 * The first three lines: "Troubleshoot connectivity issues and other errors with Azure SQL Database"
 * on learn.microsoft.com, the transient and the resource governance errors. The last line: what
 * Microsoft's EF Core (SqlServerTransientExceptionDetector) adds, the numbers of the client's own
 * network library left out, which tedious never gives.
 */
const away = new Set([
  615, 926, 4060, 4221, 40197, 40501, 40613, 42108, 42109, 49918, 49919, 49920, 10928, 10929, 10936,
  40143, 40166, 40540, 41839, 49977, 49983,
])

/** This transaction lost to another one and was rolled back, or the one statement was. */
const conflict = new Set([
  // Deadlock victim, lock timeout, snapshot conflict, then the same of memory-optimized tables.
  1205, 1222, 3960, 41301, 41302, 41305, 41325,
])

/** A server on PostgreSQL that speaks TDS gives one number for all that SQL Server has none for. */
const conflictText = /could not serialize access|deadlock detected|due to lock timeout/

/** Errors of a login that will not get better by itself; a service tries again all the same. */
const refused = new Set([18452, 18456, 18470, 18486, 18487, 18488, 40532, 40615, 40914, 47073])

/** What tedious calls its own mistakes and those of its caller. */
const misuse = new Set(['EARGS', 'EPARAM', 'EINVALIDSTATE', 'ENOTSUPPORTED'])

/**
 * `away`: the link or the server is gone, or has no room. `conflict`: lost to another transaction.
 * `timeout`: too slow; trying again would only add to the load. `refused`: the login.
 */
export type FaultKind = 'away' | 'conflict' | 'timeout' | 'refused'

/** A fault of the database or of the way to it: no fault of the statement. */
export class Fault extends DatabaseUnavailable {
  readonly kind: FaultKind

  constructor(kind: FaultKind, cause: Error) {
    super(cause.message, { cause })
    this.kind = kind
  }
}

/** What the driver and the pool throw, in the one form that they have for this. */
interface DriverError extends Error {
  code?: string
  /** The server's error number; for a failed login see mssql-connection.ts. */
  number?: number
  /** The severity; from 20 on the server ends the connection. */
  class?: number
}

/**
 * The driver's error as a Fault, or as it was when the statement itself is at fault. `closed`: the
 * connection was found closed, and what the server has not said itself comes of that.
 */
export function asFault(error: unknown, closed = false): Error {
  const first = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error) || first instanceof DatabaseUnavailable) return first as Error
  const ended = closed && (first as DriverError).number === undefined ? 'away' : undefined
  const kind = kindOf(first) ?? ended
  return kind === undefined ? first : new Fault(kind, first)
}

function kindOf(error: DriverError): FaultKind | undefined {
  const { number, code = '', name } = error
  if (number !== undefined) {
    if (conflict.has(number) || conflictText.test(error.message)) return 'conflict'
    if (refused.has(number)) return 'refused'
    // A login that fails for any other reason than its own: the server starts, stops or is full.
    const gone = code === 'ELOGIN' || (error.class ?? 0) >= 20
    return gone || away.has(number) ? 'away' : undefined
  }
  // The pool's own: no connection came free in time.
  if (name === 'TimeoutError') return 'timeout'
  if (error instanceof RequestError && (code === 'ETIMEOUT' || code === 'ECANCEL')) return 'timeout'
  // The same, over a link on which not even the cancellation was answered.
  if (code === 'ETIMEOUT' && error.message.startsWith('Failed to cancel')) return 'timeout'
  if (code === 'ELOGIN' || code === 'EFEDAUTH') return 'refused'
  return code.startsWith('E') && !misuse.has(code) ? 'away' : undefined
}

/** Milliseconds before the second attempt and those after; half of each is left to chance. */
const pauses = [50, 150, 450, 1000]
/** Milliseconds after which no other attempt begins. */
const budget = 4000

export const mayRetry = (error: unknown): error is Fault =>
  error instanceof Fault && (error.kind === 'away' || error.kind === 'conflict')

/**
 * Does `attempt` again after a fault that may be over, five times at the most and with growing pauses.
 * Only for what may be done twice: reads, and transactions that have not sent their commit.
 */
export async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + budget
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
