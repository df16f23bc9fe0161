import type { FastifyInstance, onResponseHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { createDurations, type Durations, type RecordDuration } from './durations.ts'
import { type EventLoop, monitorEventLoop } from './event-loop.ts'

/** Current values of this instance's metrics, in no particular export format. */
export interface Metrics {
  durations: Durations
  eventLoop: () => EventLoop
  cache: () => CacheNumbers
  /** Whether the database and Redis are reachable; `redis` is undefined when not configured. */
  up: () => { database: boolean; redis: boolean | undefined }
}

/** Counters since the start, and the current size of the memory tier. */
export interface CacheNumbers {
  hits: number
  misses: number
  bypasses: number
  invalidations: number
  /** Cached answers that the auditor found wrong. Must stay 0. */
  staleReads: number
  entries: number
  bytes: number
}

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}

/** Paths of operational routes. They are not counted or traced, since probes would dominate the data. */
export const operationalPaths =
  /^\/((health|metrics|monitor|docs|explorer|shared|icon\.svg|favicon\.ico|openapi\.json)(\/|$)|$)/

/** Counts and times each request, and gathers the counters of the other plugins. */
async function metricsPlugin(app: FastifyInstance) {
  const durations = createDurations()
  const eventLoop = monitorEventLoop()
  const { cache } = app
  app.decorate('metrics', {
    durations,
    eventLoop: eventLoop.latest,
    cache: () => ({
      ...cache.totals,
      entries: cache.memory.size,
      bytes: cache.memory.bytes,
    }),
    up: () => {
      const redis = cache.journal.state()
      return {
        database: app.databaseState.status === 'ok',
        redis: redis === 'unset' ? undefined : redis === 'ok',
      }
    },
  })
  app.addHook('onClose', async () => eventLoop.stop())

  // Each route gets a hook with its own recorder, so that a request needs no lookup by route.
  const timers = new WeakSet<onResponseHookHandler>()
  app.addHook('onRoute', (route) => {
    if (operationalPaths.test(route.url)) return
    const timer = time(durations.recorderOf(String(route.method), route.url))
    timers.add(timer)
    // Fastify copies the hooks of a GET route, this timer included, to its HEAD route.
    const others = [route.onResponse ?? []].flat().filter((hook) => !timers.has(hook))
    route.onResponse = [...others, timer]
  })
  // A request that matches no route has no route hooks.
  const recordNotFound = durations.recorderOf('_OTHER', '')
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (request.is404) recordNotFound(reply.statusCode, 'none', reply.elapsedTime)
    done()
  })
}

const time =
  (record: RecordDuration): onResponseHookHandler =>
  (request, reply, done) => {
    record(reply.statusCode, request.cacheLookup?.status ?? 'none', reply.elapsedTime)
    done()
  }

export default fp(metricsPlugin, { name: 'metrics', dependencies: ['cache', 'database'] })
