import type { FastifyInstance, onResponseHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { createDurations, type Durations, type Record } from './durations.ts'
import { type EventLoop, watchEventLoop } from './event-loop.ts'

/** The numbers of this instance, as they are now; how to publish them is the reader's business. */
export interface Metrics {
  durations: Durations
  eventLoop: () => EventLoop
  cache: () => CacheNumbers
  /** Whether what the service depends on answers; `redis` is undefined where there is none. */
  up: () => { database: boolean; redis: boolean | undefined }
}

/** Counters since the start, and what is held now. */
export interface CacheNumbers {
  hits: number
  misses: number
  bypasses: number
  invalidations: number
  /** Answers from the cache that the auditor found wrong. Its only good value is 0. */
  staleReads: number
  entries: number
  bytes: number
}

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}

/** Routes that serve the operators: neither counted nor traced, or they would drown the rest. */
export const operational =
  /^\/((health|metrics|monitor|docs|explorer|shared|icon\.svg|favicon\.ico|openapi\.json)(\/|$)|$)/

/** Counts and times each request, and collects what the other plugins count. */
async function metricsPlugin(app: FastifyInstance) {
  const durations = createDurations()
  const eventLoop = watchEventLoop()
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

  // Hooks of the route rather than of the instance: each knows its series, without asking Fastify.
  const timers = new WeakSet<onResponseHookHandler>()
  app.addHook('onRoute', (route) => {
    if (operational.test(route.url)) return
    const timer = time(durations.series(String(route.method), route.url))
    timers.add(timer)
    // A HEAD route comes with the hooks of its GET route.
    const others = [route.onResponse ?? []].flat().filter((hook) => !timers.has(hook))
    route.onResponse = [...others, timer]
  })
  // What no route takes has no route's hooks, and is not a hit: it comes by here.
  const recordUnknown = durations.series('_OTHER', '')
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (request.is404) recordUnknown(reply.statusCode, 'none', reply.elapsedTime)
    done()
  })
}

const time =
  (record: Record): onResponseHookHandler =>
  (request, reply, done) => {
    record(reply.statusCode, request.cacheLookup?.status ?? 'none', reply.elapsedTime)
    done()
  }

export default fp(metricsPlugin, { name: 'metrics', dependencies: ['cache', 'database'] })
