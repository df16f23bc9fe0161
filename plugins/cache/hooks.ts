import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Auditable } from './auditor.ts'
import { codingOf, etagIn, noneMatch } from './entry.ts'
import { cacheStatus, carriedHeaders, codingFor, sendEntry, sharedHeaders } from './http.ts'
import type { CacheKey } from './keys.ts'
import type { Look } from './protocol.ts'
import { finish } from './write.ts'

/** Raw URLs whose key is known, so that a hit needs no parsing and no validation. */
const knownUrls = { max: 10_000, longest: 512 }

type Done = (error?: Error) => void

/** The cache's hooks on routes: lookup before the handler, population and invalidation in `onSend`. */
export function createHooks(app: FastifyInstance) {
  const { cache, config, database } = app
  const known = new LRUCache<string, Auditable>({ max: knownUrls.max })
  const open = config.READ_ROLE === 'public'
  const constant = {
    'cache-control': open ? 'no-cache' : 'private, no-cache',
    vary: open ? 'accept-encoding' : 'accept-encoding, authorization',
  }
  const carried = (reply: FastifyReply) =>
    config.CORS_ORIGIN === undefined ? [] : carriedHeaders(reply)

  /** Rule 4, the fast way: a URL seen before is a key known. */
  function lookupByUrl(request: FastifyRequest, reply: FastifyReply, done: Done) {
    const wanted = known.get(request.raw.url!)
    if (wanted === undefined) return done()
    const look = cache.look(wanted.key)
    const use = (found: Look) => {
      request.look = found
      if (found.status !== 'hit') return done()
      sendEntry(cache, request, reply, found.entry, 'hit', carried(reply))
    }
    if (look instanceof Promise) look.then(use, () => done())
    else use(look)
  }

  /** Rules 1 and 7: a validated request has a key; without an answer it waits for one or leads. */
  async function lookupByKey(
    wanted: CacheKey,
    read: () => Promise<string>,
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    const url = request.raw.url!
    if (url.length <= knownUrls.longest) known.set(url, { ...wanted, read })
    const look = request.look ?? (await cache.look(wanted.key))
    request.look = look
    if (look.status === 'hit') {
      return sendEntry(cache, request, reply, look.entry, 'hit', carried(reply))
    }
    const begun = await cache.begin(wanted, look)
    if ('fill' in begun) {
      request.leading = begun
      // A client that has left ends no response, so `onResponse` alone would leave the others waiting.
      reply.raw.once('close', () => begun.flight.land(undefined))
      reply.helmet()
      return
    }
    if (begun.hit) request.look = { status: 'hit', entry: begun.entry }
    const status = begun.hit ? 'hit' : 'fwd=miss; collapsed'
    sendEntry(cache, request, reply, begun.entry, status, carried(reply))
  }

  /** Rule 3: stores the answer as of the version read before its query, and lands the flight. */
  async function populate(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
    const { leading } = request
    if (leading === null) return payload
    const { fill, flight } = leading
    if (reply.statusCode !== 200) {
      flight.land(undefined)
      return payload
    }
    const body = Buffer.from(payload as string)
    const headers = sharedHeaders(reply, constant)
    const { entry, stored } = await cache.store(fill, { body, headers }).catch((error) => {
      flight.land(undefined)
      throw error
    })
    flight.land({ entry, hit: false })
    const forwarded = fill.bypass ? 'bypass; detail=redis-unavailable' : 'miss'
    const status = cacheStatus(entry, `fwd=${forwarded}${stored ? '; stored' : ''}`)
    const vary = [reply.getHeader('vary'), constant.vary].filter(Boolean).join(', ')
    reply.headers({ ...constant, vary, age: 0, 'cache-status': status })
    const condition = request.headers['if-none-match']
    if (condition !== undefined && noneMatch(condition, entry.etag)) {
      const etag = etagIn(entry, codingOf(entry, codingFor(request)))
      reply.code(304).header('etag', etag).removeHeader('content-type')
      return null
    }
    const variant = await cache.encode(entry, codingFor(request))
    reply.header('etag', variant.etag).header('content-length', variant.bytes.length)
    if (variant.coding !== 'identity') reply.header('content-encoding', variant.coding)
    return variant.bytes
  }

  /** Whatever became of a leader, those who wait for it go on. */
  function release(request: FastifyRequest, _reply: FastifyReply, done: () => void) {
    request.leading?.flight.land(undefined)
    done()
  }

  /** Rule 6, the end: by the time a write is answered, what it made wrong is gone. */
  async function invalidate(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
    for (const committed of request.committed ?? []) {
      const finished = await finish(database, cache, committed)
      if (!finished) reply.header('cache-status', 'anime-api; detail=invalidation-deferred')
    }
    return payload
  }

  return { lookupByUrl, lookupByKey, populate, release, invalidate, known }
}
