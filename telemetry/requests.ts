import { context, isSpanContextValid, TraceFlags, trace } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import { callerTrace, newTraceId } from './sampling.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The trace id, once it is known: from the start where the request is traced. */
    knownTraceId: string | null
  }
}

/** The trace id of a request, traced or not: its own, its caller's, or a new one. */
export function traceIdOf(request: FastifyRequest): string {
  request.knownTraceId ??= callerTrace(request.headers.traceparent)?.id ?? newTraceId()
  return request.knownTraceId
}

/**
 * Runs the rest of a request that is not traced under its trace id all the same, for the log's sake and
 * so that nothing in it begins a trace of its own.
 */
export function follow(request: FastifyRequest, next: () => void): void {
  const active = trace.getActiveSpan()
  if (active !== undefined && isSpanContextValid(active.spanContext())) {
    next()
    return
  }
  const traceId = traceIdOf(request)
  const untraced = { traceId, spanId: traceId.slice(16), traceFlags: TraceFlags.NONE }
  context.with(trace.setSpanContext(context.active(), untraced), next)
}
