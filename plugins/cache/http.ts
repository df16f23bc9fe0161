import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import zlib from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { negotiate } from './coding.ts'
import { type Coding, codingOf, type Entry, etagIn, noneMatch, type Variant } from './entry.ts'
import type { Cache } from './protocol.ts'
import { ReadyResponse, readyText } from './ready-response.ts'

export interface HttpOptions {
  server: Server
  /** The cache's identity in `Cache-Status` (RFC 9211). */
  name: string
  /** Fields of each answer that is or could be cached, such as `cache-control`. */
  headers: Record<string, string>
  /** Names of the response fields that are stored with an answer; all others are dropped. */
  storedHeaders: ReadonlySet<string>
  /** Whether a response field belongs to one request (CORS), and so goes out with a hit too. */
  isPerRequest?: ((name: string) => boolean) | undefined
}

/** How an answer came about, as the parameters of a `Cache-Status` member. */
export type CacheStatus = 'hit' | `fwd=${string}`

export const codingFor = ({ headers }: Pick<IncomingMessage, 'headers'>): Coding =>
  negotiate(headers['accept-encoding'])

/** What reads and writes of HTTP have in common, for one cache. */
export function createHttp(cache: Cache, options: HttpOptions) {
  const { server, name, headers, storedHeaders, isPerRequest } = options

  const cacheStatus = (entry: Pick<Entry, 'key' | 'expires'>, status: CacheStatus): string =>
    `${name}; ${status}; key="${entry.key}"; ttl=${secondsLeft(entry)}`

  /** The header block that all copies of an answer share. */
  function sharedHeaders(reply: FastifyReply, vary: readonly string[]): string[] {
    const stored = Object.entries(reply.getHeaders()).filter(([field]) => storedHeaders.has(field))
    const fixed = Object.entries({ ...headers, vary: varyWith(vary) })
    return [...stored, ...fixed].flatMap(([field, value]) => [field, String(value)])
  }

  const varyWith = (fields: readonly string[]) =>
    [headers.vary, ...fields].filter(Boolean).join(', ')

  /** Fields that were set for this request alone, in the form `writeHead` takes. */
  function perRequestHeaders(reply: FastifyReply): string[] {
    if (isPerRequest === undefined) return []
    return Object.entries(reply.getHeaders())
      .filter(([field]) => isPerRequest(field))
      .flatMap(([field, value]) => [field, String(value)])
  }

  /** Sends an entry without Fastify's reply, which no longer answers then. */
  function sendEntry(
    request: FastifyRequest,
    reply: FastifyReply,
    entry: Entry,
    status: CacheStatus,
  ): void {
    const own = perRequestHeaders(reply)
    reply.hijack()
    send(request.raw, reply.raw, entry, status, own)
  }

  /**
   * Sends an entry: body, coding and header block are ready, and 304 needs no body. `own`: fields of this
   * request alone. A failure destroys the connection, since nobody else answers.
   */
  function send(
    request: IncomingMessage,
    response: ServerResponse,
    entry: Entry,
    status: CacheStatus,
    own: readonly string[] = [],
  ): void {
    const fail = (error: unknown) => void response.destroy(error as Error)
    const sendVariant = (variant: Variant) => {
      if (status === 'hit' && own.length === 0 && sendReady(response, entry, variant)) return
      const block = status === 'hit' ? hitBlock(entry, variant) : bodyBlock(entry, variant, status)
      response.writeHead(200, own.length > 0 ? [...block, ...own] : block)
      if (request.method === 'HEAD') response.end()
      else response.end(variant.sent, 'latin1')
    }
    try {
      const condition = request.headers['if-none-match']
      if (condition !== undefined && noneMatch(condition, entry.etag)) {
        const etag = etagIn(entry, codingOf(entry, codingFor(request)))
        response.writeHead(304, [...headerBlock(entry, etag, status), ...own]).end()
        return
      }
      const variant = cache.encode(entry, codingFor(request))
      if (variant instanceof Promise) variant.then(sendVariant).catch(fail)
      else sendVariant(variant)
    } catch (error) {
      fail(error)
    }
  }

  /** Sends a short hit in one piece, if that is possible. */
  function sendReady(raw: ServerResponse, entry: Entry, variant: Variant): boolean {
    const { sent: body } = variant
    const isReady = raw instanceof ReadyResponse && server.maxRequestsPerSocket === 0
    if (!isReady || typeof body !== 'string' || raw.req.method !== 'GET') return false
    const block = hitBlock(entry, variant)
    variant.text ??= readyText(server, block, body)
    return raw.sendReady(variant.text)
  }

  /** A hit's block is made once a second, since only `Age` and `ttl` change. */
  function hitBlock(entry: Entry, variant: Variant): string[] {
    const second = Math.floor(Date.now() / 1000)
    if (variant.second !== second) {
      variant.second = second
      variant.block = bodyBlock(entry, variant, 'hit')
      variant.text = undefined
    }
    return variant.block
  }

  function bodyBlock(entry: Entry, { coding, bytes, etag }: Variant, status: CacheStatus) {
    const block = headerBlock(entry, etag, status)
    if (coding !== 'identity') block.push('content-encoding', coding)
    block.push('content-length', String(bytes.length))
    return block
  }

  function headerBlock(entry: Entry, etag: string, status: CacheStatus): string[] {
    const age = Math.max(0, Math.floor((Date.now() - entry.made) / 1000))
    const own = ['etag', etag, 'age', String(age), 'cache-status', cacheStatus(entry, status)]
    return [...entry.headers, ...own]
  }

  /** Sets the fields of an answer that goes out through Fastify's reply. */
  function setHeaders(reply: FastifyReply, vary: readonly string[], status: string): void {
    const fields = [reply.getHeader('vary'), varyWith(vary)].filter(Boolean).join(', ')
    reply.headers({ ...headers, vary: fields, 'cache-status': status })
  }

  return { name, cacheStatus, sharedHeaders, send, sendEntry, setHeaders }
}

const secondsLeft = ({ expires }: Pick<Entry, 'expires'>) =>
  Math.max(0, Math.floor((expires - Date.now()) / 1000))

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, ZSTD_c_windowLog } = zlib.constants

/** Windows of 256 KiB: each of many streams has a compressor of its own for as long as its client reads. */
const encoders = {
  zstd: () => zlib.createZstdCompress({ params: { [ZSTD_c_windowLog]: 18 } }),
  br: () =>
    zlib.createBrotliCompress({ params: { [BROTLI_PARAM_QUALITY]: 4, [BROTLI_PARAM_LGWIN]: 18 } }),
  gzip: () => zlib.createGzip(),
}

/** A stream in `coding`; an error of either end destroys both. */
export function encodeStream(body: Readable, coding: Coding): Readable {
  if (coding === 'identity') return body
  return pipeline(body, encoders[coding](), () => {})
}
