import type { FastifyReply, FastifyRequest } from 'fastify'
import { negotiate } from './coding.ts'
import { type Coding, codingOf, type Entry, etagIn, noneMatch, type Variant } from './entry.ts'
import type { Cache } from './protocol.ts'

/** The content coding for a request. */
export const codingFor = ({ headers }: FastifyRequest): Coding =>
  negotiate(headers['accept-encoding'])

/** How an answer came about, as the parameters of a `Cache-Status` member (RFC 9211). */
export type CacheStatus = 'hit' | `fwd=${string}`

export const cacheStatus = (entry: Pick<Entry, 'key' | 'expires'>, status: CacheStatus): string =>
  `anime-api; ${status}; key="${entry.key}"; ttl=${secondsLeft(entry)}`

const secondsLeft = ({ expires }: Pick<Entry, 'expires'>) =>
  Math.max(0, Math.floor((expires - Date.now()) / 1000))

/** Response fields that differ from request to request and so are never part of an entry. */
const perRequest =
  /^(access-control-|x-ratelimit-|vary$|cache-status$|age$|etag$|date$|content-(length|encoding)$)/

/** The header block that all copies of an answer share: what handler and plugins set, and `more`. */
export function sharedHeaders(reply: FastifyReply, more: Record<string, string>): string[] {
  const kept = Object.entries(reply.getHeaders()).filter(([name]) => !perRequest.test(name))
  return [...kept, ...Object.entries(more)].flatMap(([name, value]) => [name, String(value)])
}

/**
 * Sends an entry past Fastify's reply: body, coding and header block are ready, and 304 needs no body.
 * `carried` are fields that a plugin has set for this request alone. What fails here ends the connection:
 * Fastify, told to keep off, would leave the client waiting.
 */
export function sendEntry(
  cache: Cache,
  request: FastifyRequest,
  reply: FastifyReply,
  entry: Entry,
  status: CacheStatus,
  carried: readonly string[],
): void {
  reply.hijack()
  const fail = (error: unknown) => void reply.raw.destroy(error as Error)
  const send = (made: Variant) => {
    const block = status === 'hit' ? hitBlock(entry, made) : bodyBlock(entry, made, status)
    reply.raw.writeHead(200, carried.length > 0 ? [...block, ...carried] : block)
    if (request.method === 'HEAD') reply.raw.end()
    else reply.raw.end(made.sent, 'latin1')
  }
  try {
    const condition = request.headers['if-none-match']
    if (condition !== undefined && noneMatch(condition, entry.etag)) {
      const etag = etagIn(entry, codingOf(entry, codingFor(request)))
      reply.raw.writeHead(304, [...headerBlock(entry, etag, status), ...carried]).end()
      return
    }
    const variant = cache.encode(entry, codingFor(request))
    if (variant instanceof Promise) variant.then(send).catch(fail)
    else send(variant)
  } catch (error) {
    fail(error)
  }
}

/** Fields set for this request alone (CORS), in the form `writeHead` takes. */
export function carriedHeaders(reply: FastifyReply): string[] {
  return Object.entries(reply.getHeaders())
    .filter(([name]) => name.startsWith('access-control-') || name === 'vary')
    .flatMap(([name, value]) => [name, String(value)])
}

/** A hit's block is made once a second, since only `Age` and `ttl` move. */
function hitBlock(entry: Entry, variant: Variant): string[] {
  const second = Math.floor(Date.now() / 1000)
  if (variant.second !== second) {
    variant.second = second
    variant.block = bodyBlock(entry, variant, 'hit')
  }
  return variant.block
}

function bodyBlock(entry: Entry, { coding, bytes, etag }: Variant, status: CacheStatus): string[] {
  const block = headerBlock(entry, etag, status)
  if (coding !== 'identity') block.push('content-encoding', coding)
  block.push('content-length', String(bytes.length))
  return block
}

function headerBlock(entry: Entry, etag: string, status: CacheStatus): string[] {
  const age = Math.max(0, Math.floor((Date.now() - entry.made) / 1000))
  const rest = ['etag', etag, 'age', String(age), 'cache-status', cacheStatus(entry, status)]
  return [...entry.headers, ...rest]
}
