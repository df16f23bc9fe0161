import type { IncomingMessage } from 'node:http'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import type { Cache } from '../plugins/cache/protocol.ts'
import type { Metrics } from '../plugins/metrics/index.ts'

/** The service's interface to the preloaded telemetry. */
export interface Telemetry {
  /** Exports `metrics` and traces the calls of `cache`. */
  observe: (service: { metrics: Metrics; cache: Cache }) => void
  /** Whether a request is traced: drawn once. */
  isSampled: (request: IncomingMessage) => boolean
  /** Creates the server spans of sampled requests. */
  requestSpans: FastifyPluginCallback
  /** The trace id of a request, traced or not. */
  traceIdOf: (request: FastifyRequest) => string
  /** Runs `next` in a context that has the request's trace id, traced or not. */
  withTraceId: (request: FastifyRequest, next: () => void) => void
  /** Flushes the queues for at most `limit` milliseconds, and stops. Never rejects. */
  shutdown: (limit: number) => Promise<void>
}

// This file must not load OpenTelemetry: the service imports it even when telemetry is off.
let running: Telemetry | undefined

export const runningTelemetry = () => running

export function setRunning(telemetry: Telemetry): void {
  running = telemetry
}
