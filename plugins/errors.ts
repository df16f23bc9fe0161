import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import createError from '@fastify/error'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseUnavailable, OutcomeUnknown } from '../db/dialects/dialect.ts'

/** A problem with one field of a request: where it is, what is wrong with it. */
export interface FieldProblem {
  field: string
  message: string
}

export const NotFound = createError('NOT_FOUND', '%s', 404)
export const Conflict = createError<[string]>('CONFLICT', '%s', 409)
export const PreconditionFailed = createError('PRECONDITION_FAILED', '%s', 412)

const BadRequest = createError<[string]>('BAD_FIELD', '%s', 400)

/** 400 for a request that fits its schema and still makes no sense. */
export class BadField extends BadRequest {
  readonly problems: FieldProblem[]

  constructor(field: string, message: string) {
    super(`${field} ${message}`)
    this.problems = [{ field, message }]
  }
}

const Denied = createError<[string]>('UNAUTHORIZED', '%s', 401)
const Refused = createError<[string]>('FORBIDDEN', '%s', 403)
const Throttled = createError<[string]>('TOO_MANY_REQUESTS', '%s', 429)
const Away = createError<[string]>('UNAVAILABLE', '%s', 503)

const challenge = (code?: string) => ({
  'www-authenticate': `Bearer realm="anime-api"${code === undefined ? '' : `, error="${code}"`}`,
})

/** 401 with a challenge; `code` says what is wrong with the token that was sent (RFC 6750, 3). */
export class Unauthorized extends Denied {
  readonly headers: Record<string, string>

  constructor(message: string, code?: 'invalid_request' | 'invalid_token') {
    super(message)
    this.headers = challenge(code)
  }
}

/** 403: the token is good and its role is not enough. */
export class Forbidden extends Refused {
  readonly headers = challenge('insufficient_scope')
}

/** 429 that says in how many seconds another try counts. */
export class TooManyRequests extends Throttled {
  readonly headers: Record<string, string>

  constructor(seconds: number) {
    super(`too many requests; try again in ${seconds} s`)
    this.headers = { 'retry-after': String(seconds) }
  }
}

/** 503: something this request needs will be back in some seconds. */
export class Unavailable extends Away {
  readonly headers: Record<string, string>

  constructor(message: string, seconds: number, options?: ErrorOptions) {
    super(message)
    this.headers = { 'retry-after': String(seconds) }
    this.cause = options?.cause
  }
}

/** Seconds after which a client whose request met an absent database may come back. */
const retryAfter = 5

/**
 * Every error leaves as RFC 9457 `application/problem+json`: what a client did wrong in full, what
 * the server did wrong only in the log.
 */
async function errorsPlugin(app: FastifyInstance) {
  app.setErrorHandler<FastifyError & { headers?: Record<string, string> }>(
    (error, request, reply) => {
      if (error instanceof OutcomeUnknown) {
        // No Retry-After: a client that repeats the write by itself may do it twice.
        request.log.error({ err: error }, 'a write has an unknown outcome')
        const detail =
          'the database went away during the commit: the write may have happened, or not'
        return problem(request, reply, 503, detail)
      }
      if (error instanceof DatabaseUnavailable) {
        // The loss itself is logged once; under load there is one of these for every request.
        request.log.debug({ err: error }, 'the database is away')
        reply.header('retry-after', retryAfter)
        return problem(request, reply, 503, 'the database is not available now')
      }
      if (error.headers !== undefined) reply.headers(error.headers)
      const status = error.statusCode ?? 500
      if (status === 503) {
        const { message: reason } = (error.cause ?? {}) as Partial<Error>
        request.log.warn({ reason }, error.message)
        return problem(request, reply, status, error.message)
      }
      if (status >= 500) {
        request.log.error({ err: error }, 'request failed')
        return problem(request, reply, status, 'the server failed; its log says why')
      }
      return problem(request, reply, status, error.message, fieldProblems(error))
    },
  )
  const methodsOf = knownPaths(app)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allowed = methodsOf(path)
    const detail = `there is no ${request.method} ${path}`
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return problem(request, reply, 404, detail)
    }
    reply.header('allow', allowed.join(', '))
    return problem(request, reply, 405, `${detail}; it takes ${allowed.join(', ')}`)
  })
}

/** Gives the methods that some route takes at a path: none, and it is not found (RFC 9110, 15.5.6). */
function knownPaths(app: FastifyInstance): (path: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const source = url.replaceAll(/:\w+|\*|[^:*]+/g, (part) =>
      part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : RegExp.escape(part),
    )
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() })
  })
  return (path) => {
    const matching = routes.filter(({ pattern }) => pattern.test(path))
    return [...new Set(matching.flatMap(({ methods }) => methods))].sort()
  }
}

/** For `frameworkErrors`: a URL that the router cannot read, before any route or hook is known. */
export function refuseUrl(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  problem(request, reply, error.statusCode ?? 400, error.message)
}

const parserStatus: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** For `clientErrorHandler`: bytes that are no HTTP request. What was asked for is not known. */
export function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  // As in Node itself: an answer already on its way must not get this one in its middle.
  const { _httpMessage: under } = socket as { _httpMessage?: { headersSent: boolean } }
  if (error.code === 'ECONNRESET' || !socket.writable || under?.headersSent) {
    socket.destroy()
    return
  }
  const status = parserStatus[error.code ?? ''] ?? 400
  const title = STATUS_CODES[status]
  const detail = 'the request cannot be read'
  const body = JSON.stringify({ type: 'about:blank', title, status, detail })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\n` +
      `cache-control: no-store\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/** Sends a problem document; `type` is `about:blank`, since `title` is the status' own. */
export function problem(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  detail: string,
  errors?: FieldProblem[],
) {
  // Cached routes leave the security headers to the answer they store; a problem is never stored.
  reply.helmet?.()
  return reply
    .code(status)
    .type('application/problem+json')
    .header('cache-control', 'no-store')
    .send(
      JSON.stringify({
        type: 'about:blank',
        title: STATUS_CODES[status],
        status,
        detail,
        instance: request.url,
        traceId: request.traceId,
        errors,
      }),
    )
}

function fieldProblems(error: FastifyError): FieldProblem[] | undefined {
  if (error instanceof BadField) return error.problems
  return error.validation?.map(({ instancePath, keyword, params, message }) => {
    const path = instancePath.slice(1).replaceAll('/', '.')
    if (keyword === 'additionalProperties') {
      return { field: String(params.additionalProperty), message: 'is not known here' }
    }
    if (keyword === 'required') {
      return { field: String(params.missingProperty), message: 'is missing' }
    }
    const allowed = (params.allowedValues as unknown[] | undefined)?.join(', ')
    return { field: path || '(body)', message: allowed ? `must be one of ${allowed}` : message! }
  })
}

export default fp(errorsPlugin, { name: 'errors' })
