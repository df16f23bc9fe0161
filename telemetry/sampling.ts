import { randomBytes } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'

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
 * Gives whether the request that has just arrived is left out. Node tells of each on a channel, in the
 * same turn as Fastify's first hook asks.
 */
export function createSampling(ratio: number): () => boolean {
  if (ratio === 1) return () => false
  let left = false
  subscribe('http.server.request.start', (message) => {
    const { headers } = (message as { request: IncomingMessage }).request
    const caller = headers.traceparent === undefined ? undefined : callerTrace(headers.traceparent)
    const chosen = caller === undefined ? Math.random() : share(caller.id)
    left = chosen >= ratio || caller?.kept === false
  })
  return () => left
}

/** Where a trace's id lies between 0 and 1, by its last 32 bits. */
const share = (id: string) => Number.parseInt(id.slice(-8), 16) / 2 ** 32
