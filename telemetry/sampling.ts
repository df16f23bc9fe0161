import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const traceparent = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-([\da-f]{2})/

/** Trace id and sampled flag of a `traceparent` header (W3C Trace Context). */
export function callerTrace(header: unknown): { id: string; sampled: boolean } | undefined {
  const [, id, flags] = (typeof header === 'string' && traceparent.exec(header)) || []
  if (id === undefined || /^0+$/.test(id)) return undefined
  return { id, sampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

export const newTraceId = () => randomBytes(16).toString('hex')

const decision = Symbol('sampled')

/**
 * Creates a head sampler: it returns whether a request is to be traced, before any work is spent on
 * spans, and for one request always the same. New traces are sampled at `ratio`. Traces that the caller
 * samples are sampled at `ratio` by trace id, so that services with the same ratio pick the same traces. A
 * caller can lower the share, never raise it.
 */
export function createSampler(ratio: number): (request: IncomingMessage) => boolean {
  if (ratio === 1) return () => true
  const draw = ({ headers: { traceparent } }: IncomingMessage) => {
    const caller = traceparent === undefined ? undefined : callerTrace(traceparent)
    if (caller === undefined) return Math.random() < ratio
    return caller.sampled && fractionOf(caller.id) < ratio
  }
  return (request: IncomingMessage & { [decision]?: boolean }) => {
    request[decision] ??= draw(request)
    return request[decision]
  }
}

/** Maps a trace id to a number from 0 to 1, by its last 32 bits. */
const fractionOf = (id: string) => Number.parseInt(id.slice(-8), 16) / 2 ** 32
