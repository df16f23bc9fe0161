import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/**
 * Logs one line for each answer that was not a cache hit. Hits are too many, and the metrics count them.
 * Routes that are polled (health, metrics) have a `logLevel` above `info`.
 */
async function requestLogPlugin(app: FastifyInstance) {
  app.addHook('onResponse', (request, reply, done) => {
    if (request.cacheLookup?.status !== 'hit') {
      const { method, url, traceId } = request
      const ms = Math.round(reply.elapsedTime * 10) / 10
      const { statusCode: status } = reply
      request.log.info({ method, url, status, ms, trace_id: traceId }, 'request')
    }
    done()
  })
}

export default fp(requestLogPlugin, { name: 'request-log', dependencies: ['cache'] })
