import { context, isSpanContextValid, TraceFlags, trace } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import { callerTrace, newTraceId } from './sampling.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The trace id: set at the start of a traced request, on first use otherwise. */
    assignedTraceId: string | null
  }
}

/** The trace id of a request, traced or not: that of its span, its caller's, or a new one. */
export function traceIdOf(request: FastifyRequest): string {
  request.assignedTraceId ??= callerTrace(request.headers.traceparent)?.id ?? newTraceId()
  return request.assignedTraceId
}

/**
 * Runs `next` in the request's trace. An untraced request gets a context with its trace id and without the
 * sampled flag: its log lines carry the id, and its calls start no traces of their own.
 */
export function withTraceId(request: FastifyRequest, next: () => void): void {
  const active = trace.getActiveSpan()
  if (active !== undefined && isSpanContextValid(active.spanContext())) {
    next()
    return
  }
  const traceId = traceIdOf(request)
  const untraced = { traceId, spanId: traceId.slice(16), traceFlags: TraceFlags.NONE }
  context.with(trace.setSpanContext(context.active(), untraced), next)
}
