import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Levels of routes whose requests are not logged. */
const quiet = new Set(['warn', 'error', 'fatal', 'silent'])

/**
 * Logs one line for each answer that was not a cache hit. Hits are too many, and the metrics count them.
 * Routes that are polled (health, metrics) have a `logLevel` above `info`.
 */
async function requestLogPlugin(app: FastifyInstance) {
  // To look for secrets takes seven times as long as the line, and its fields hold none.
  const log = app.log.child({}, { redact: [] })
  app.addHook('onResponse', (request, reply, done) => {
    if (request.cacheLookup?.status !== 'hit' && !quiet.has(request.routeOptions.logLevel ?? '')) {
      const { method, url, traceId, id: reqId } = request
      const ms = Math.round(reply.elapsedTime * 10) / 10
      const { statusCode: status } = reply
      log.info({ reqId, method, url, status, ms, trace_id: traceId }, 'request')
    }
    done()
  })
}

export default fp(requestLogPlugin, { name: 'request-log', dependencies: ['cache'] })
