import type { ServerOptions } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ReadyResponse } from './cache/ready-response.ts'

/**
 * Options of the HTTP server. Milliseconds that a client has: for the header of a request, for all of it, and between two bytes that
 * it reads of an answer. How often the first two are looked at is a part of them.
 * https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
 */
export const serverOptions = {
  http: {
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1000,
    // A GET has no body to read to its end.
    optimizeEmptyRequests: true,
    // A hit of the cache is ready as one text.
    ServerResponse: ReadyResponse,
  } satisfies ServerOptions,
  requestTimeout: 20_000,
  connectionTimeout: 30_000,
}

/** Milliseconds between two warnings. */
const warnEvery = 10_000

/** Bounds the connections that are open at a time; Node closes those beyond at once. */
async function connectionsPlugin(app: FastifyInstance) {
  const { MAX_CONNECTIONS } = app.config
  app.server.maxConnections = MAX_CONNECTIONS
  let warned = -Infinity
  app.server.on('drop', () => {
    if (performance.now() - warned < warnEvery) return
    warned = performance.now()
    app.log.warn(`${MAX_CONNECTIONS} connections are open: more are closed (MAX_CONNECTIONS)`)
  })
}

export default fp(connectionsPlugin, { name: 'connections', dependencies: ['config'] })
