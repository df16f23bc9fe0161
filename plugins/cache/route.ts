import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify'
import { remembered } from './remembered.ts'
import { type CacheKey, normalTags } from './tags.ts'

/** The validated request, as far as a cached answer may depend on it. */
export interface CacheInput<Params = unknown, Query = unknown, Vary extends string = string> {
  params: Params
  query: Query
  /** The normal form of each request field that the route declares in `vary`. */
  vary: Readonly<Record<Vary, string>>
}

/** What a query answers. */
export interface CacheAnswer {
  /** A text, bytes, an object to be sent as JSON, or a stream, which is sent and never stored. */
  body: unknown
  /** Response fields that every copy shares: those of the plugin's allow list are stored. */
  headers?: Record<string, string>
  /** The opaque part of the strong ETag, if the query has one; else it is a hash of the body. */
  etag?: string
  /** Why a stream is not stored, for `Cache-Status`. */
  detail?: string
  /**
   * The bodies of other answers that the query found on the way, by key. They have the tags of this one and
   * are stored with it, for `held`.
   */
  also?: Record<string, string>
}

/** What a query may use besides its input. */
export interface CacheContext {
  /**
   * The body of another answer with the same tags, if it is valid now. If a write turns out to have come
   * between, the query is run again without it, so that what it combines is always of one moment.
   */
  held: (key: string) => Promise<string | undefined>
  /** Aborted when no request waits for the answer any more; undefined in an audit. */
  signal: AbortSignal | undefined
}

export interface CachedRoute<Params = unknown, Query = unknown, Vary extends string = never> {
  /** Request fields that the answer depends on, each with a pure function to its normal form. */
  vary?: Record<Vary, (field: string | undefined) => string>
  /** Rules 1 and 2. The key of a validated request, and the tags of the rows it may show. */
  key: (input: CacheInput<Params, Query, Vary>) => CacheKey
  /** The query. It serves requests and the auditor alike, and sees neither request nor reply. */
  read: (input: CacheInput<Params, Query, Vary>, context: CacheContext) => Promise<unknown>
}

/** Fields that may not be varied on: the cache handles the first, the others would be one's own answer. */
const refusedFields = new Set(['accept-encoding', 'authorization', 'cookie'])

/** Handlers made by `cached`, which alone may serve a route with `config.cache`. */
const handlers = new WeakSet<RouteHandlerMethod>()

/**
 * A cached route, to be spread into its options: `app.get('/books', { schema, ...cached({ key, read }) })`.
 * Its 200 answers are kept until a write touches them (rule 2).
 */
export function cached<Params, Query, Vary extends string = never>(
  route: CachedRoute<Params, Query, Vary>,
) {
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    const cacheFill = request.cacheFill!
    try {
      cacheFill.answer = await cacheFill.read()
    } catch (error) {
      // Not left to the hooks: they do not run for an error when the client has gone.
      cacheFill.flight.settle(undefined)
      throw error
    }
    const { headers = {}, body } = cacheFill.answer
    return reply.headers(headers).send(body)
  }
  handlers.add(handler)
  return { config: { cache: route as unknown as CachedRoute }, handler }
}

/**
 * The answer in the form it is sent in.
 * @throws TypeError for a body that cannot be sent
 */
function toAnswer(given: unknown): CacheAnswer {
  const isAnswer = given !== null && typeof given === 'object' && 'body' in given
  const answer = isAnswer ? (given as CacheAnswer) : { body: given }
  const { body } = answer
  if (isStream(body) || body instanceof Uint8Array || typeof body === 'string') return answer
  const text = JSON.stringify(body)
  if (text === undefined) throw new TypeError('the query of a cached route gave nothing to send')
  const headers = { 'content-type': 'application/json; charset=utf-8', ...answer.headers }
  return { ...answer, body: text, headers }
}

export const isStream = (body: unknown): body is Readable =>
  body !== null && typeof body === 'object' && 'pipe' in body

/**
 * Refuses a route that could not be kept correctly.
 * @throws Error when it is registered
 */
export function checkRoute({ url, method, handler, config }: RouteOptions): void {
  const { vary = {}, key, read } = config!.cache as Partial<CachedRoute>
  const refuse = (reason: string) => {
    throw new Error(`the route ${url} cannot be cached: ${reason}`)
  }
  const methods = [method].flat()
  if (!methods.every((name) => name === 'GET' || name === 'HEAD')) {
    refuse(`it takes ${methods.join(', ')}, and only GET and HEAD are safe to keep`)
  }
  if (typeof key !== 'function' || typeof read !== 'function') refuse('it needs key and read')
  if (!handlers.has(handler)) refuse('its handler must be the one that cached() makes')
  for (const [name, normalize] of Object.entries(vary)) {
    if (!/^[a-z][a-z0-9-]*$/.test(name)) refuse(`"${name}" is no field name in lower case`)
    if (refusedFields.has(name)) refuse(`it may not vary on ${name}`)
    if (typeof normalize !== 'function') refuse(`vary.${name} must be a function`)
  }
}

/** A route's declaration, made ready for its hooks. */
export function prepareRoute({ vary = {}, key: nameOf, read }: CachedRoute) {
  const fields = Object.entries(vary as Record<string, (field?: string) => string>).map(
    ([name, normalize]) => ({ name, form: remembered(normalize) }),
  )

  /** The normal form of the fields it varies on; an empty one stands for the default. */
  const varyOf = ({ headers }: Pick<FastifyRequest, 'headers'>): Record<string, string> =>
    Object.fromEntries(fields.map(({ name, form }) => [name, form(headers[name]?.toString())]))

  return {
    /** Runs the query. */
    read: async (input: CacheInput, context: CacheContext): Promise<CacheAnswer> =>
      toAnswer(await read(input as CacheInput<unknown, unknown, never>, context)),
    fields: fields.map(({ name }) => name),
    varyOf,
    /** Tells requests apart before they are parsed: the raw URL, and the fields it varies on. */
    rawKey: ({ raw, headers }: Pick<FastifyRequest, 'raw' | 'headers'>): string => {
      let key = raw.url!
      for (const { name, form } of fields) {
        const own = form(headers[name]?.toString())
        // A URL has no blank. The default, which most ask for, costs no text.
        if (own !== '') key += ` ${name}=${encodeURIComponent(own)}`
      }
      return key
    },
    keyOf: (input: CacheInput): CacheKey => {
      const wanted = nameOf(input as CacheInput<unknown, unknown, never>)
      const forms = Object.entries(input.vary).filter(([, form]) => form !== '')
      const suffix = forms.map(([name, form]) => `;${name}=${encodeURIComponent(form)}`).join('')
      // Redis keeps the journal under names that begin with @, and its scripts part words at blanks.
      const key = (wanted.key + suffix).replace(/^@|\s/g, encodeURIComponent)
      return { key, tags: normalTags(wanted.tags) }
    },
  }
}

export type PreparedRoute = ReturnType<typeof prepareRoute>
