import type { Server } from 'node:http'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Cluster, Redis } from 'ioredis'
import { type Auditable, type Auditor, startAuditor } from './auditor.ts'
import { createHooks, type RequestFill, type RouteHooks } from './hooks.ts'
import { createHttp, type HttpOptions } from './http.ts'
import { createLocalJournal } from './local-journal.ts'
import type { LookupResult } from './lookup.ts'
import { type Cache, createCache } from './protocol.ts'
import { createRedisJournal } from './redis-journal.ts'
import { createRelay, type Relay } from './relay.ts'
import { type CachedRoute, checkRoute, prepareRoute } from './route.ts'
import { systemRuntime } from './runtime.ts'
import { takeTurns } from './turns.ts'
import { type Committed, commit, finish, type Work, type WriteStore } from './write.ts'

export { type CacheAnswer, type CacheContext, type CacheInput, cached } from './route.ts'
export { type CacheKey, type Change, canonicalKey, everything, type RowTags } from './tags.ts'

/** All that the cache needs of an application. See README.md beside this file. */
export interface CachePluginOptions extends WriteStore {
  /** The cache's identity in `Cache-Status` (RFC 9211). */
  name: string
  /** The Redis that all instances share, and the hash tag of the keys there. Without it: one process. */
  redis?: { client: Redis | Cluster; hashTag: string } | undefined
  /** A random name that no other data set has, so that two behind one Redis are never mixed up. */
  dataset: () => Promise<string>
  /** A number that moves with every commit by another process; for a process without Redis. */
  foreignVersion?: (() => number) | undefined
  /**
   * Called for a miss that only a query of its own can answer, before anything is done for it. What it throws
   * is answered: an application that bounds its queries refuses the next one here at the least cost.
   */
  admit?: (() => void) | undefined
  /** Bound on the memory of local copies, in bytes (default 256 MiB). */
  maxBytes?: number
  /** Seconds that an answer is kept at most (default 3600). */
  ttl?: number
  /** Fields of every cached answer (default: `cache-control: no-cache`, `vary: accept-encoding`). */
  headers?: Record<string, string>
  /** More response fields to store with an answer, besides `defaultStoredHeaders`. */
  storedHeaders?: readonly string[]
  /** Whether a response field belongs to one request (CORS), and so goes out with a hit too. */
  isPerRequest?: ((name: string) => boolean) | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    cache: Cache
    cacheAuditor: Auditor
    /** What can answer a request that Fastify has not seen; see early-hits.ts. */
    cacheHits: CacheHits
  }
  interface FastifyRequest {
    /** What the lookup of the answer found. */
    cacheLookup: LookupResult | null
    /** The query that this request runs for the cache. */
    cacheFill: RequestFill | null
    /**
     * Commits a write under its mark (rule 6). `work` gets a transaction of the application's
     * `transaction` option: name its type there. What it changed is gone from every instance before the
     * answer to this request leaves.
     * @throws CacheBusy (503) when its mark was lost several times; nothing was changed
     */
    write: <T, Trx>(work: Work<T, Trx>) => Promise<T>
    cacheWrites: Committed[] | null
  }
  interface FastifyContextConfig {
    /** Makes a route's 200 answers cached; see `cached`. */
    cache?: CachedRoute
  }
}

export interface CacheHits {
  /** The GET routes that ask nothing of a request before its lookup. */
  routes: { url: string; keyOf: RouteHooks['keyOf'] }[]
  send: ReturnType<typeof createHttp>['send']
}

export const defaultStoredHeaders = [
  'content-type',
  'content-language',
  'content-disposition',
  'link',
]

/** How often the outbox is read, and an answer audited, in milliseconds. */
const relayInterval = 1000
const auditInterval = 15_000

/** So many misses are begun in a turn of the event loop: some two milliseconds of work. */
const missesPerTurn = 8

/** Without requests for this long the outbox is not read: serverless Azure SQL then pauses. */
const relayIdleAfter = 300_000

/**
 * Caches every route made by `cached`, and gives `request.write` for what changes the data. Hits leave in
 * `onRequest`, after the route's own hooks there.
 */
async function cachePlugin(app: FastifyInstance, options: CachePluginOptions) {
  const { cache, relay } = openCache(app, options)
  const http = createHttp(cache, httpOptions(options, app.server))
  const { admit } = options
  const turn = takeTurns(missesPerTurn, systemRuntime)
  app.decorate('cache', cache)
  app.decorateRequest('cacheLookup', null)
  app.decorateRequest('cacheFill', null)
  app.decorateRequest('cacheWrites', null)
  app.decorateRequest('write', async function write<T, Trx>(
    this: FastifyRequest,
    work: Work<T, Trx>,
  ): Promise<T> {
    const { result, ...committed } = await commit(options as WriteStore<Trx>, cache, work)
    this.cacheWrites = [...(this.cacheWrites ?? []), committed]
    return result
  } as FastifyRequest['write'])

  /** GET and the HEAD route that Fastify makes of it share a declaration. */
  const hooksOf = new Map<CachedRoute, RouteHooks>()
  const installed: RouteHooks[] = []
  app.addHook('onRoute', (route) => {
    if (route.config?.cache === undefined) return
    checkRoute(route)
    const { cache: declared } = route.config
    let hooks = hooksOf.get(declared)
    if (hooks === undefined) {
      hooks = createHooks({ cache, http, route: prepareRoute(declared), turn, admit })
      hooksOf.set(declared, hooks)
      installed.push(hooks)
    }
    const isOpen = all(route.onRequest).length === 0
    if (route.method === 'GET' && isOpen) routes.push({ url: route.url, keyOf: hooks.keyOf })
    addHooks(route, hooks)
  })
  const routes: CacheHits['routes'] = []
  app.decorate('cacheHits', { routes, send: http.send })

  /** Rule 6, the end: by the time a write is answered, what it made wrong is gone. */
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.cacheWrites === null) return done(null, payload)
    finishWrites(request.cacheWrites).then(
      (finished) => {
        if (!finished) reply.header('cache-status', `${options.name}; detail=invalidation-deferred`)
        done(null, payload)
      },
      (error) => done(error),
    )
  })
  async function finishWrites(writes: Committed[]): Promise<boolean> {
    const finished = await Promise.all(writes.map((write) => finish(options, cache, write)))
    return finished.every(Boolean)
  }

  const auditor = watch(app, cache, relay, () => {
    // Another route first each time: the busiest one must not keep the others from being audited.
    installed.push(...installed.splice(0, 1))
    return installed.flatMap(({ keyByUrl }) => [...keyByUrl.values()])
  })
  app.decorate('cacheAuditor', auditor)
}

function openCache(app: FastifyInstance, options: CachePluginOptions) {
  const { redis, dataset, foreignVersion, outbox, maxBytes = 268_435_456, ttl = 3600 } = options
  const { log } = app
  let name: string | undefined
  const datasetOnce = async () => {
    name ??= await dataset()
    return name
  }
  const cache = createCache({
    maxBytes,
    ttl: ttl * 1000,
    openJournal: (replica, events) =>
      redis === undefined
        ? createLocalJournal(replica, events, foreignVersion)
        : createRedisJournal({
            ...redis,
            replica,
            events,
            log,
            dataset: datasetOnce,
            drain: () => relay.drain(),
          }),
    beforeLookup: () => relay.beforeLookup(),
  })
  const relay: Relay = createRelay({
    outbox,
    journal: cache.journal,
    interval: relayInterval,
    idleAfter: relayIdleAfter,
    onError: (error) => log.debug({ err: error }, 'the outbox cannot be read now'),
  })
  return { cache, relay }
}

/** Starts what runs in the background, and stops it with the application. */
function watch(app: FastifyInstance, cache: Cache, relay: Relay, lately: () => Auditable[]) {
  const failing = new Set<string>()
  const auditor = startAuditor({
    cache,
    // Without requests nothing is audited either: a serverless database may pause.
    candidates: () => (relay.paused ? [] : lately()),
    interval: auditInterval,
    onStale: (key) => app.log.error({ key }, 'the cache held a stale answer'),
    onError(error, key) {
      // A query that cannot be run again hides what the auditor is there to see; once is enough.
      const resource = key.split(':', 1)[0]!
      if (failing.has(resource)) return
      failing.add(resource)
      app.log.warn({ err: error, key }, 'a cached answer cannot be audited')
    },
  })
  app.addHook('onReady', async () => relay.start())
  app.addHook('onClose', async () => {
    auditor.stop()
    await relay.stop()
    await cache.journal.close()
  })
  return auditor
}

function addHooks(route: RouteOptions, hooks: RouteHooks): void {
  const { lookupByUrl, lookupByKey, populate, release } = hooks
  // First, before the hook by which a HEAD route drops its body.
  route.onSend = [populate, ...all(route.onSend)]
  route.onRequest = [...all(route.onRequest), lookupByUrl]
  route.preHandler = [...all(route.preHandler), lookupByKey]
  route.onResponse = [...all(route.onResponse), release]
}

const all = <T>(declared: T | T[] | undefined): T[] =>
  declared === undefined ? [] : Array.isArray(declared) ? declared : [declared]

function httpOptions(options: CachePluginOptions, server: Server): HttpOptions {
  const { name, headers, storedHeaders = [], isPerRequest } = options
  return {
    server,
    name,
    headers: { 'cache-control': 'no-cache', vary: 'accept-encoding', ...headers },
    storedHeaders: new Set([...defaultStoredHeaders, ...storedHeaders]),
    isPerRequest,
  }
}

export default fp(cachePlugin, { name: 'cache', fastify: '5.x' })
