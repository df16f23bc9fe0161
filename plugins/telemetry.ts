import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { runningTelemetry } from '../telemetry/running.ts'
import { operationalPaths } from './metrics/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether a request gets a span. */
    isTraced: (request: IncomingMessage) => boolean
  }
  interface FastifyRequest {
    /** The request's trace id, sampled or not; undefined without telemetry. */
    readonly traceId: string | undefined
  }
}

/** Maximum milliseconds for the last flush. */
const maxFlush = 3000
/** Maximum milliseconds from the begin of closing to the end of the flush. */
const closeBudget = 9500

/**
 * Connects the service to the preloaded telemetry, if any. It is registered before the other plugins, so
 * that its `onClose` runs last and also sends what they log while closing.
 */
async function telemetryPlugin(app: FastifyInstance) {
  const telemetry = runningTelemetry()
  app.decorateRequest('traceId', {
    getter(this: FastifyRequest) {
      return telemetry?.traceIdOf(this)
    },
  })
  app.decorate('isTraced', telemetry?.isSampled ?? (() => false))
  if (telemetry === undefined) return
  await app.register(telemetry.requestSpans)
  let closingSince = performance.now()
  app.addHook('onRoute', (route) => {
    if (operationalPaths.test(route.url)) route.config = { ...route.config, otel: false }
  })
  // Hits end before this hook, so an unsampled hit pays nothing for its context.
  app.addHook('preParsing', (request, _reply, payload, done) => {
    telemetry.withTraceId(request, () => done(null, payload))
  })
  app.addHook('onReady', async () => telemetry.observe(app))
  app.addHook('preClose', async () => {
    closingSince = performance.now()
  })
  app.addHook('onClose', async () => {
    const left = closeBudget - (performance.now() - closingSince)
    await telemetry.shutdown(Math.max(500, Math.min(maxFlush, left)))
  })
}

export default fp(telemetryPlugin, { name: 'telemetry' })
