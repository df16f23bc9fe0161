import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import type { Cache } from '../plugins/cache/protocol.ts'
import type { Metrics } from '../plugins/metrics/index.ts'

/** The telemetry that was preloaded, as the service sees it. */
export interface Telemetry {
  /** Publishes `metrics` and traces what is asked of `cache`. */
  watch: (service: { metrics: Metrics; cache: Cache }) => void
  /** A span around each request that is traced. */
  requestSpans: FastifyPluginCallback
  /** The trace id of a request, traced or not. */
  traceIdOf: (request: FastifyRequest) => string
  /** Runs the rest of a request under its trace id where it is not traced. */
  follow: (request: FastifyRequest, next: () => void) => void
  /** Sends what is left, for at most `limit` milliseconds, and stops. Never rejects. */
  shutdown: (limit: number) => Promise<void>
}

// This file loads nothing of OpenTelemetry: the service imports it whether there is telemetry or not.
let running: Telemetry | undefined

export const runningTelemetry = () => running

export function setRunning(telemetry: Telemetry): void {
  running = telemetry
}
