import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { runningTelemetry } from '../telemetry/running.ts'
import { operational } from './metrics/index.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The id of the request's trace, kept or not; undefined without telemetry. */
    readonly traceId: string | undefined
  }
}

/** Milliseconds for sending what is left at the end, and for all of the end. */
const flush = 3000
const closing = 9500

/**
 * Ties the service to the telemetry that was preloaded, if any. Comes before the other plugins, so that
 * its `onClose` is the last and what they log at the end is sent too.
 */
async function telemetryPlugin(app: FastifyInstance) {
  const telemetry = runningTelemetry()
  app.decorateRequest('traceId', {
    getter(this: FastifyRequest) {
      return telemetry?.traceIdOf(this)
    },
  })
  if (telemetry === undefined) return
  await app.register(telemetry.requestSpans)
  let began = performance.now()
  app.addHook('onRoute', (route) => {
    if (operational.test(route.url)) route.config = { ...route.config, otel: false }
  })
  // A hit is never here: what is left out of the traces and found in the cache costs nothing at all.
  app.addHook('preParsing', (request, _reply, payload, done) => {
    telemetry.follow(request, () => done(null, payload))
  })
  app.addHook('onReady', async () => telemetry.watch(app))
  app.addHook('preClose', async () => {
    began = performance.now()
  })
  app.addHook('onClose', async () => {
    const left = closing - (performance.now() - began)
    await telemetry.shutdown(Math.max(500, Math.min(flush, left)))
  })
}

export default fp(telemetryPlugin, { name: 'telemetry' })
