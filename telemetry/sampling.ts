import { randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

const traceparent = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-([\da-f]{2})/

/** The id of the trace that a caller says it is in, and whether it keeps it (W3C Trace Context). */
export function callerTrace(header: unknown): { id: string; kept: boolean } | undefined {
  const [, id, flags] = (typeof header === 'string' && traceparent.exec(header)) || []
  if (id === undefined || /^0+$/.test(id)) return undefined
  return { id, kept: (Number.parseInt(flags!, 16) & 1) === 1 }
}

export const newTraceId = () => randomBytes(16).toString('hex')

/**
 * Decides before anything else which requests are traced, so that the others cost nothing: a share of
 * `ratio` of those that begin a trace, and of those within a trace that the caller keeps, chosen by its
 * id, so that services with one ratio choose alike. A caller can have less traced, never more.
 *
 * Gives whether a request is left out.
 */
export function createSampling(ratio: number): (request: FastifyRequest) => boolean {
  if (ratio === 1) return () => false
  return ({ raw: { headers } }) => {
    const caller = headers.traceparent === undefined ? undefined : callerTrace(headers.traceparent)
    if (caller === undefined) return Math.random() >= ratio
    return !caller.kept || share(caller.id) >= ratio
  }
}

/** Where a trace's id lies between 0 and 1, by its last 32 bits. */
const share = (id: string) => Number.parseInt(id.slice(-8), 16) / 2 ** 32
