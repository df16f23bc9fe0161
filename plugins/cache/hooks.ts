import createError from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Auditable } from './auditor.ts'
import { codingOf, type Entry, etagIn, matches, noneMatch } from './entry.ts'
import { clientsGone } from './flights.ts'
import { codingFor, type createHttp, encodeStream } from './http.ts'
import type { LookupResult } from './lookup.ts'
import type { Cache, Leader } from './protocol.ts'
import {
  type CacheAnswer,
  type CacheContext,
  type CacheInput,
  isStream,
  type PreparedRoute,
} from './route.ts'

/** Raw URLs whose key is known, so that a hit needs neither parsing nor validation. */
const maxUrls = 10_000
const maxUrlLength = 512

type Done = (error?: Error) => void

const PreconditionFailed = createError<[]>(
  'PRECONDITION_FAILED',
  'the answer is no longer the one that If-Match names',
  412,
)

/** Throws PreconditionFailed unless the request's `If-Match`, if it has one, names this answer. */
function checkMatch({ headers }: FastifyRequest, { etag }: Entry): void {
  const condition = headers['if-match']
  if (condition !== undefined && !matches(condition, etag)) throw new PreconditionFailed()
}

/** A leader's fill while its request runs, from the miss to the answer. */
export interface RequestFill extends Leader {
  /** Runs the query. */
  read: () => Promise<CacheAnswer>
  /** Runs it again, with no other answer held for it to use. */
  readAlone: () => Promise<CacheAnswer>
  /** What the query answered, once it has. */
  answer: CacheAnswer | null
  /** The query has used the answer of another key. */
  usedHeld: boolean
}

export interface HookOptions {
  cache: Cache
  http: ReturnType<typeof createHttp>
  route: PreparedRoute
  /** Undefined, or a promise of the turn in which a miss goes on. */
  turn: (url: string) => Promise<void> | undefined
  /** Throws what a miss is answered with when no further query may be begun. */
  admit?: (() => void) | undefined
}

/** A body as bytes, without a copy where it is that already. */
const bodyOf = (body: unknown): Buffer =>
  body instanceof Uint8Array
    ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    : Buffer.from(body as string)

const nothingHeld: CacheContext = { held: async () => undefined, signal: undefined }

/** The hooks of one cached route: lookup before the handler, the end of a fill in `onSend`. */
export function createHooks({ cache, http, route, turn, admit }: HookOptions) {
  const keyByUrl = new LRUCache<string, Auditable>({ max: maxUrls })

  /** The key of the answer to a request whose URL was validated before. */
  function keyOf(request: Pick<FastifyRequest, 'raw' | 'headers'>): string | undefined {
    // The slow path evaluates `If-Match`, which is rare.
    if (request.headers['if-match'] !== undefined) return undefined
    return keyByUrl.get(route.rawKey(request))?.key
  }

  /** A miss goes on, at once or in a later turn of the event loop. */
  function takeTurn(request: FastifyRequest, done: Done) {
    const later = turn(route.rawKey(request))
    if (later === undefined) return done()
    void later.then(() => {
      // What was not held then may be now.
      request.cacheLookup = null
      done()
    })
  }

  /** Rule 4, the fast path: the key is known. */
  function lookupByUrl(request: FastifyRequest, reply: FastifyReply, done: Done) {
    const key = keyOf(request)
    if (key === undefined) return takeTurn(request, done)
    const use = (result: LookupResult) => {
      request.cacheLookup = result
      if (result.status !== 'hit') return takeTurn(request, done)
      http.sendEntry(request, reply, result.entry, 'hit')
    }
    const result = cache.lookup(key)
    if (result instanceof Promise) result.then(use, () => done())
    else use(result)
  }

  /** Rules 1 and 7: a validated request has a key. Without an answer it joins a query, or leads one. */
  async function lookupByKey(request: FastifyRequest, reply: FastifyReply) {
    const { params, query } = request
    const input: CacheInput = { params, query, vary: route.varyOf(request) }
    const wanted = route.keyOf(input)
    const result = request.cacheLookup ?? (await cache.lookup(wanted.key))
    request.cacheLookup = result
    if (result.status !== 'hit' && cache.needsQuery(wanted.key)) admit?.()
    remember(request, wanted.key, input)
    if (result.status === 'hit') {
      checkMatch(request, result.entry)
      return http.sendEntry(request, reply, result.entry, 'hit')
    }
    const joined = await cache.join(wanted, result, clientGone(reply))
    if ('fill' in joined) {
      const { abandoned, settle } = joined.flight
      if (abandoned.aborted) {
        // Nobody is there for the answer: no query, and no reply.
        settle(undefined)
        return void reply.hijack()
      }
      abandoned.addEventListener('abort', () => settle(undefined))
      request.cacheFill = beginFill(joined, input)
      return
    }
    checkMatch(request, joined.entry)
    if (joined.hit) request.cacheLookup = { status: 'hit', entry: joined.entry }
    http.sendEntry(request, reply, joined.entry, joined.hit ? 'hit' : 'fwd=miss; collapsed')
  }

  /** The key of this URL from now on, for `lookupByUrl` and for the auditor. */
  function remember(request: FastifyRequest, key: string, input: CacheInput): void {
    const url = route.rawKey(request)
    if (url.length > maxUrlLength) return
    const read = async () => {
      const { body, etag } = await route.read(input, nothingHeld)
      return { body: body as Buffer | string, etag }
    }
    keyByUrl.set(url, { key, read })
  }

  function beginFill(leader: Leader, input: CacheInput): RequestFill {
    const context: CacheContext = {
      signal: leader.flight.abandoned,
      async held(key) {
        const entry = await cache.held(leader.fill, key)
        if (entry === undefined) return undefined
        fill.usedHeld = true
        const variant = await cache.encode(entry, 'identity')
        return variant.bytes.toString()
      },
    }
    const fill: RequestFill = {
      ...leader,
      read: () => route.read(input, context),
      readAlone: () => route.read(input, { ...nothingHeld, signal: leader.flight.abandoned }),
      answer: null,
      usedHeld: false,
    }
    return fill
  }

  /** Rule 3: stores the answer as of the version noted before its query, and settles the flight. */
  async function populate(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
    const { cacheFill } = request
    if (cacheFill === null) return payload
    const { flight } = cacheFill
    if (reply.statusCode !== 200) {
      flight.settle(undefined)
      return payload
    }
    if (isStream(payload)) {
      flight.settle(undefined)
      return sendStream(request, reply, payload, cacheFill.answer?.detail ?? 'stream')
    }
    if (reply.hasHeader('set-cookie')) {
      flight.settle(undefined)
      http.setHeaders(reply, route.fields, `${http.name}; fwd=miss; detail=set-cookie`)
      return payload
    }
    cache.totals[cacheFill.fill.bypass ? 'bypasses' : 'misses'] += 1
    try {
      const { entry, stored, bypass } = await storeAnswer(cacheFill, reply, payload)
      flight.settle({ entry, hit: false })
      const forwarded = bypass ? 'bypass; detail=redis-unavailable' : 'miss'
      const status = http.cacheStatus(entry, `fwd=${forwarded}${stored ? '; stored' : ''}`)
      http.setHeaders(reply, route.fields, status)
      return await sendFresh(request, reply, entry)
    } catch (error) {
      flight.settle(undefined)
      throw error
    }
  }

  /**
   * Stores an answer and what its query found besides. If the query has used another answer, and a write
   * has come between or may have, it is run again without.
   */
  async function storeAnswer(cacheFill: RequestFill, reply: FastifyReply, payload: unknown) {
    const { fill, answer } = cacheFill
    const headers = http.sharedHeaders(reply, route.fields)
    const first = { body: bodyOf(payload), headers, etag: answer?.etag }
    const result = await cache.store(fill, first)
    if (cacheFill.usedHeld && !result.valid) {
      const again = await cacheFill.readAlone()
      for (const field of Object.keys(answer?.headers ?? {})) reply.removeHeader(field)
      reply.headers(again.headers ?? {})
      const fresh = { body: bodyOf(again.body), headers: http.sharedHeaders(reply, route.fields) }
      const { entry } = await cache.store({ ...fill, bypass: true }, fresh)
      return { entry, stored: false, bypass: fill.bypass }
    }
    for (const [key, body] of Object.entries(answer?.also ?? {})) {
      if (result.stored) await cache.store({ ...fill, key }, { body: bodyOf(body), headers: [] })
    }
    return { ...result, bypass: fill.bypass }
  }

  async function sendFresh(request: FastifyRequest, reply: FastifyReply, entry: Entry) {
    checkMatch(request, entry)
    reply.header('age', 0)
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

  /** A stream passes, compressed on the way, and is never stored. */
  function sendStream(
    request: FastifyRequest,
    reply: FastifyReply,
    body: Parameters<typeof encodeStream>[0],
    detail: string,
  ) {
    http.setHeaders(reply, route.fields, `${http.name}; fwd=miss; detail=${detail}`)
    const coding = codingFor(request)
    if (coding !== 'identity') reply.header('content-encoding', coding)
    if (request.method === 'HEAD') {
      body.destroy()
      return undefined
    }
    return encodeStream(body, coding)
  }

  /** However a leader ends, its followers go on. (Settling again does nothing.) */
  function release(request: FastifyRequest, _reply: FastifyReply, done: () => void) {
    request.cacheFill?.flight.settle(undefined)
    done()
  }

  return { lookupByUrl, lookupByKey, keyOf, populate, release, keyByUrl }
}

/** Aborted when the connection has been closed, or the answer sent. */
function clientGone(reply: FastifyReply): AbortSignal {
  if (reply.raw.closed) return AbortSignal.abort(clientsGone)
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort(clientsGone))
  return gone.signal
}

export type RouteHooks = ReturnType<typeof createHooks>
