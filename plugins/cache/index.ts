import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { deleteOutbox, readOutbox } from '../../db/outbox.ts'
import { noneMatch } from './entry.ts'
import { cacheStatus, carriedHeaders, codingFor, sendEntry, sharedHeaders } from './http.ts'
import { createLocalJournal } from './journal.ts'
import type { CacheKey } from './keys.ts'
import { type Cache, createCache, type Leading, type Look } from './protocol.ts'
import { createRedisJournal } from './redis-journal.ts'
import { createRelay } from './relay.ts'
import { type Committed, commit, finish, type Work } from './write.ts'

declare module 'fastify' {
  interface FastifyInstance {
    cache: Cache
  }
  interface FastifyRequest {
    /** The query that this request leads for the cache, from its miss to its answer. */
    leading: Leading | null
    /** What the lookup by URL found. */
    look: Look | null
    /** Commits a write under its mark (rule 6); the `onSend` hook finishes it. */
    write: <T>(work: Work<T>) => Promise<T>
    committed: Committed[]
  }
  interface FastifyContextConfig {
    /** Makes a route's 200 answers cached, under the key of a validated request. */
    cache?: (request: FastifyRequest) => CacheKey
    /** Makes a route a write: what it commits by `request.write` is invalidated before it answers. */
    invalidates?: boolean
  }
}

/** Raw URLs whose key is known, so that a hit needs no parsing and no validation. */
const knownUrls = { max: 10_000, longest: 512 }

/** How often the outbox is looked into, in milliseconds. */
const relayEvery = 1000

/** How long a cache that was lost stays unused, in milliseconds; see RedisJournalOptions. */
const holdOff = 1000

/**
 * Puts the cache around every route that declares `config.cache`: a lookup before the handler and
 * population in `onSend`. Hits leave in `onRequest`, after the hooks of rate limit and role.
 */
async function cachePlugin(app: FastifyInstance) {
  const { config, database } = app
  const cache = createCache({
    maxBytes: config.CACHE_MAX_BYTES,
    ttl: config.CACHE_TTL * 1000,
    openJournal: (replica, events) =>
      app.hasDecorator('redis')
        ? createRedisJournal({ client: app.redis, replica, events, drain, log: app.log, holdOff })
        : createLocalJournal(replica, events, database.foreignVersion),
  })
  const relay = createRelay({
    read: () => readOutbox(database.reader),
    remove: (ids) => deleteOutbox(database.writer, ids),
    journal: cache.journal,
    every: relayEvery,
    onError: (error) => app.log.debug({ err: error }, 'the outbox cannot be read now'),
  })
  async function drain(): Promise<boolean> {
    await app.databaseState.connected
    return relay.drain()
  }
  const keys = new LRUCache<string, CacheKey>({ max: knownUrls.max })
  const constant = {
    'cache-control': config.READ_ROLE === 'public' ? 'no-cache' : 'private, no-cache',
    vary: config.READ_ROLE === 'public' ? 'accept-encoding' : 'accept-encoding, authorization',
  }
  const carried = (reply: FastifyReply) =>
    config.CORS_ORIGIN === undefined ? [] : carriedHeaders(reply)
  app.decorate('cache', cache)
  app.decorateRequest('leading', null)
  app.decorateRequest('look', null)
  app.decorateRequest('committed')
  app.decorateRequest('write', async function (this: FastifyRequest, work) {
    const { result, ...committed } = await commit(database, cache, work)
    this.committed = [...(this.committed ?? []), committed]
    return result
  } as FastifyRequest['write'])
  app.addHook('onReady', async () => relay.start())
  app.addHook('onClose', async () => {
    await relay.stop()
    await cache.journal.close()
  })

  app.addHook('onRoute', (route) => {
    const keyOf = route.config?.cache
    if (route.config?.invalidates) route.onSend = [invalidate, ...hooks(route.onSend)]
    if (keyOf === undefined) return
    // First, before the hook by which a HEAD route drops its body.
    route.onSend = [populate, ...hooks(route.onSend).filter((hook) => hook !== populate)]
    // A HEAD route comes with the other hooks of its GET route.
    if (hooks(route.onRequest).includes(lookupByUrl)) return
    // The security headers of a hit are those stored with it: preHandler sets them on a miss.
    route.helmet = false
    route.onRequest = [...hooks(route.onRequest), lookupByUrl]
    route.preHandler = [
      ...hooks(route.preHandler),
      (request, reply) => lookupByKey(keyOf(request), request, reply),
    ]
    route.onResponse = [...hooks(route.onResponse), release]
  })

  /** Rule 4, the fast way: a URL seen before is a key known. */
  function lookupByUrl(request: FastifyRequest, reply: FastifyReply, done: () => void) {
    const known = keys.get(request.raw.url!)
    if (known === undefined) return done()
    const look = cache.look(known.key)
    const use = (found: Look) => {
      request.look = found
      if (found.status !== 'hit') return done()
      sendEntry(cache, request, reply, found.entry, 'hit', carried(reply))
    }
    if (look instanceof Promise) look.then(use, () => done())
    else use(look)
  }

  async function lookupByKey(wanted: CacheKey, request: FastifyRequest, reply: FastifyReply) {
    const url = request.raw.url!
    if (url.length <= knownUrls.longest) keys.set(url, wanted)
    const look = request.look ?? (await cache.look(wanted.key))
    request.look = look
    if (look.status === 'hit') {
      return sendEntry(cache, request, reply, look.entry, 'hit', carried(reply))
    }
    const begun = await cache.begin(wanted, look)
    if ('fill' in begun) {
      request.leading = begun
      reply.helmet()
      return
    }
    const status = begun.hit ? 'hit' : 'fwd=miss; collapsed'
    sendEntry(cache, request, reply, begun.entry, status, carried(reply))
  }

  /** Rule 3: stores the answer as of the version read before its query, and lands the flight. */
  async function populate(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
    const { leading } = request
    if (leading === null || reply.statusCode !== 200) return payload
    const { fill, flight } = leading
    const body = Buffer.from(payload as string)
    const headers = sharedHeaders(reply, constant)
    const { entry, stored } = await cache.store(fill, { body, headers })
    flight.land({ entry, hit: false })
    const forwarded = fill.bypass ? 'bypass; detail=redis-unavailable' : 'miss'
    const status = cacheStatus(entry, `fwd=${forwarded}${stored ? '; stored' : ''}`)
    const vary = [reply.getHeader('vary'), constant.vary].filter(Boolean).join(', ')
    reply.headers({ ...constant, vary, age: 0, 'cache-status': status })
    const condition = request.headers['if-none-match']
    if (condition !== undefined && noneMatch(condition, entry.etag)) {
      reply.code(304).header('etag', `"${entry.etag}"`).removeHeader('content-type')
      return null
    }
    const variant = await cache.encode(entry, codingFor(request))
    reply.header('etag', variant.etag).header('content-length', variant.bytes.length)
    if (variant.coding !== 'identity') reply.header('content-encoding', variant.coding)
    return variant.bytes
  }

  /** Rule 6, the end: by the time a write is answered, what it made wrong is gone. */
  async function invalidate(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
    for (const committed of request.committed ?? []) {
      const finished = await finish(database, cache, committed)
      if (!finished) reply.header('cache-status', 'anime-api; detail=invalidation-deferred')
    }
    return payload
  }

  /** Whatever became of a leader, those who wait for it go on. */
  async function release(request: FastifyRequest) {
    request.leading?.flight.land(undefined)
  }
}

const hooks = <T>(declared: T | T[] | undefined): T[] =>
  declared === undefined ? [] : Array.isArray(declared) ? declared : [declared]

export default fp(cachePlugin, { name: 'cache', dependencies: ['config', 'database'] })
