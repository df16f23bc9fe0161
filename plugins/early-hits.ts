import type { IncomingMessage, RequestListener } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { CacheHits } from './cache/index.ts'
import type { LookupResult } from './cache/lookup.ts'
import type { RecordDuration } from './metrics/durations.ts'

/**
 * Answers hits before Fastify's life cycle, which takes longer than they do. It does what the hooks before
 * the lookup and after the answer do for a plain request: the limit, and the metrics. All else goes through
 * Fastify: what is no hit, what is traced, routes with hooks of their own (roles), and everything where there
 * is CORS. Without this plugin all works the same.
 */
async function earlyHitsPlugin(app: FastifyInstance) {
  if (app.config.CORS_ORIGIN !== undefined) return
  const { server, isTraced, requestLimit, cache, cacheHits, metrics } = app
  const [fastify] = server.listeners('request') as [RequestListener]
  let routes: (CacheHits['routes'][number] & { record: RecordDuration })[] = []
  app.addHook('onReady', async () => {
    const recorderOf = (url: string) => metrics.durations.recorderOf('GET', url)
    routes = cacheHits.routes.map((route) => ({ ...route, record: recorderOf(route.url) }))
  })

  /** What is known of the answer to a request; undefined: Fastify has to see it. */
  function find(request: IncomingMessage) {
    if (app.closing || !isPlain(request)) return undefined
    try {
      for (const { keyOf, record } of routes) {
        const key = keyOf({ raw: request, headers: request.headers })
        if (key !== undefined) return isTraced(request) ? undefined : { key, record }
      }
    } catch {
      // It will throw again where Fastify answers for it.
    }
    return undefined
  }

  server.off('request', fastify)
  server.on('request', (request, response) => {
    const began = performance.now()
    const passOn = () => fastify(request, response)
    const known = find(request)
    if (known === undefined) return passOn()
    const { key, record } = known
    const use = (result: LookupResult) => {
      if (result.status !== 'hit') {
        requestLimit.counted.add(request)
        return passOn()
      }
      response.on('finish', () => record(response.statusCode, 'hit', performance.now() - began))
      cacheHits.send(request, response, result.entry, 'hit')
    }
    const lookup = (admitted: boolean) => {
      if (!admitted) return passOn()
      const result = cache.lookup(key)
      if (result instanceof Promise) result.then(use, () => use({ status: 'bypass' }))
      else use(result)
    }
    const admitted = requestLimit.admits(request)
    if (admitted instanceof Promise) admitted.then(lookup, () => lookup(false))
    else lookup(admitted)
  })
}

/** A GET without a body (RFC 9112, 6.3). */
const isPlain = ({ method, headers }: IncomingMessage) =>
  method === 'GET' &&
  headers['content-length'] === undefined &&
  headers['transfer-encoding'] === undefined

export default fp(earlyHitsPlugin, {
  name: 'early-hits',
  dependencies: [
    'catalogue-cache',
    'config',
    'connection-drain',
    'metrics',
    'rate-limit',
    'telemetry',
  ],
})
