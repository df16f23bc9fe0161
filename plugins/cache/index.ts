import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteHandlerMethod,
  RouteOptions,
} from 'fastify'
import fp from 'fastify-plugin'
import { databaseName } from '../../db/database-name.ts'
import { deleteOutbox, readOutbox } from '../../db/outbox.ts'
import { startAuditor } from './auditor.ts'
import { createHooks } from './hooks.ts'
import { createLocalJournal } from './journal.ts'
import type { CacheKey } from './keys.ts'
import { type Cache, createCache, type Leading, type Look } from './protocol.ts'
import { createRedisJournal } from './redis-journal.ts'
import { createRelay } from './relay.ts'
import { type Committed, commit, type Work } from './write.ts'

declare module 'fastify' {
  interface FastifyInstance {
    cache: Cache
  }
  interface FastifyRequest {
    /** The query that this request leads for the cache, from its miss to its answer. */
    leading: Leading | null
    /** What looking for the answer found. */
    look: Look | null
    /** Commits a write under its mark (rule 6); the `onSend` hook finishes it. */
    write: <T>(work: Work<T>) => Promise<T>
    committed: Committed[] | null
  }
  interface FastifyContextConfig {
    /** Makes a route's 200 answers cached, under the key of a validated request. */
    cache?: (request: FastifyRequest) => CacheKey
    /** Makes a route a write: what it commits by `request.write` is invalidated before it answers. */
    invalidates?: boolean
  }
}

/** How often the outbox is looked into, and an answer audited, in milliseconds. */
const relayEvery = 1000
const auditEvery = 15_000

/** Without requests for this long the outbox is left alone: serverless Azure SQL then pauses. */
const relayIdleAfter = 300_000

/** How long a cache that was lost stays unused, in milliseconds; see RedisJournalOptions. */
const holdOff = 1000

/**
 * Puts the cache around every route that declares `config.cache`, and its invalidation after every
 * route that declares `config.invalidates`. Hits leave in `onRequest`, after the hooks of rate limit
 * and role.
 */
async function cachePlugin(app: FastifyInstance) {
  const { cache, relay } = openCache(app)
  app.decorate('cache', cache)
  app.decorateRequest('leading', null)
  app.decorateRequest('look', null)
  app.decorateRequest('committed', null)
  app.decorateRequest('write', write)
  const hooks = createHooks(app)
  const auditor = startAuditor({
    cache,
    // While nobody asks, nothing is audited either: a serverless database may pause.
    candidates: () => (relay.asleep ? [] : hooks.known.values()),
    every: auditEvery,
    onStale: (key) => app.log.error({ key }, 'the cache held a stale answer'),
    onError: (error) => app.log.debug({ err: error }, 'an audit failed'),
  })
  app.addHook('onRoute', (route) => hookUp(app, route, hooks))
  app.addHook('onReady', async () => relay.start())
  app.addHook('onClose', async () => {
    auditor.stop()
    await relay.stop()
    await cache.journal.close()
  })
}

function openCache(app: FastifyInstance) {
  const { config, database, log } = app
  const cache = createCache({
    maxBytes: config.CACHE_MAX_BYTES,
    ttl: config.CACHE_TTL * 1000,
    openJournal: (replica, events) =>
      app.hasDecorator('redis')
        ? createRedisJournal({ client: app.redis, replica, events, name, drain, log, holdOff })
        : createLocalJournal(replica, events, database.foreignVersion),
    wake: () => relay.wake(),
  })
  const relay = createRelay({
    read: () => readOutbox(database.reader),
    remove: (ids) => deleteOutbox(database.writer, ids),
    journal: cache.journal,
    every: relayEvery,
    idleAfter: relayIdleAfter,
    onError: (error) => log.debug({ err: error }, 'the outbox cannot be read now'),
  })
  async function drain(): Promise<boolean> {
    await app.databaseState.connected
    return relay.drain()
  }
  let known: string | undefined
  async function name(): Promise<string> {
    await app.databaseState.connected
    known ??= await databaseName(database.reader)
    return known
  }
  return { cache, relay }
}

async function write<T>(this: FastifyRequest, work: Work<T>): Promise<T> {
  const { database, cache } = this.server
  const { result, ...committed } = await commit(database, cache, work)
  this.committed = [...(this.committed ?? []), committed]
  return result
}

function hookUp(app: FastifyInstance, route: RouteOptions, hooks: ReturnType<typeof createHooks>) {
  const { lookupByUrl, lookupByKey, populate, release, invalidate } = hooks
  if (route.config?.invalidates) route.onSend = [invalidate, ...all(route.onSend)]
  const keyOf = route.config?.cache
  if (keyOf === undefined) return
  // First, before the hook by which a HEAD route drops its body.
  route.onSend = [populate, ...all(route.onSend).filter((hook) => hook !== populate)]
  // A HEAD route comes with the other hooks of its GET route.
  if (all(route.onRequest).includes(lookupByUrl)) return
  // The security headers of a hit are those stored with it: preHandler sets them on a miss.
  route.helmet = false
  route.onRequest = [...all(route.onRequest), lookupByUrl]
  const handler = route.handler
  route.preHandler = [
    ...all(route.preHandler),
    (request, reply) => {
      const { query, params } = request
      const read = () => bodyOf(app, handler, { query, params })
      return lookupByKey(keyOf(request), read, request, reply)
    },
  ]
  route.onResponse = [...all(route.onResponse), release]
}

const all = <T>(declared: T | T[] | undefined): T[] =>
  declared === undefined ? [] : Array.isArray(declared) ? declared : [declared]

/** What a route's handler makes of a validated request, without anybody to send it to. */
async function bodyOf(
  app: FastifyInstance,
  handler: RouteHandlerMethod,
  request: Pick<FastifyRequest, 'query' | 'params'>,
): Promise<string> {
  let sent: unknown
  const reply = {
    type: () => reply,
    header: () => reply,
    send(body: unknown) {
      sent = body
      return reply
    },
  }
  await handler.call(app, request as FastifyRequest, reply as unknown as FastifyReply)
  return String(sent)
}

export default fp(cachePlugin, { name: 'cache', dependencies: ['config', 'database'] })
