import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseUnavailable, OutcomeUnknown, TooManyReads } from '../db/dialects/dialect.ts'
import { BadField, type FieldProblem, PreconditionFailed } from './errors.ts'
import { acceptPatch } from './request-body.ts'
import { apiHeaders } from './security.ts'

// An import of `node:http` touches each of its exports, and some load all of undici: 25 ms of a start.
const { STATUS_CODES } = process.getBuiltinModule('node:http')

/** The code of an error that has none of its own, by status. */
const codes: Record<number, string> = {
  400: 'INVALID_REQUEST',
  404: 'PATH_NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  406: 'NOT_ACCEPTABLE',
  408: 'REQUEST_TIMEOUT',
  412: 'PRECONDITION_FAILED',
  413: 'BODY_TOO_LARGE',
  414: 'URL_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  431: 'HEADERS_TOO_LARGE',
  500: 'INTERNAL_ERROR',
  503: 'UNAVAILABLE',
}

/** Codes of Fastify and of Node are theirs to change: only our own leave the service. */
const codeOf = (status: number, own?: string): string =>
  own !== undefined && /^(?!FST_|ERR_|E[A-Z]+$)[A-Z_]+$/.test(own)
    ? own
    : (codes[status] ?? 'ERROR')

/**
 * Every error leaves as RFC 9457 `application/problem+json`: what a client did wrong in full, what
 * the server did wrong only in the log.
 */
async function problemsPlugin(app: FastifyInstance) {
  app.setErrorHandler<FastifyError & { headers?: Record<string, string> }>(
    (error, request, reply) => {
      if (error.name === 'AbortError' && reply.raw.closed) {
        request.log.debug('the client has closed the request')
        return void reply.hijack()
      }
      if (error instanceof OutcomeUnknown) {
        // No Retry-After: a client that repeats the write by itself may do it twice.
        request.log.error({ err: error }, 'a write has an unknown outcome')
        return problem(request, reply, {
          status: 503,
          code: 'OUTCOME_UNKNOWN',
          detail: 'the connection was lost during the commit: the write may have happened, or not',
        })
      }
      if (error instanceof DatabaseUnavailable) {
        // The loss itself is logged once; under load there is one of these for every request.
        request.log.debug({ err: error }, 'the database is away')
        const { detail, seconds } = app.databaseState.notice
        reply.header('retry-after', seconds)
        return problem(request, reply, { status: 503, code: 'DATABASE_UNAVAILABLE', detail })
      }
      if (error instanceof TooManyReads) {
        // Not of the request: to make its logger takes longer than the rest.
        app.log.debug(error.message)
        reply.header('retry-after', 1)
        return problem(request, reply, {
          status: 503,
          code: 'TOO_MANY_READS',
          detail: 'too many requests wait for the database',
        })
      }
      if (error.headers !== undefined) reply.headers(error.headers)
      const status = error.statusCode ?? 500
      const code = codeOf(status, error.code)
      if (status === 503) {
        const { message: reason } = (error.cause ?? {}) as Partial<Error>
        request.log.warn({ reason }, error.message)
        return problem(request, reply, { status, code, detail: error.message })
      }
      if (status >= 500) {
        request.log.error({ err: error }, 'request failed')
        return problem(request, reply, {
          status,
          code: codeOf(500),
          detail: 'the server failed; its log says why',
        })
      }
      const errors = fieldProblems(error)
      return problem(request, reply, { status, code, detail: error.message, errors })
    },
  )
  const methodsOf = knownPaths(app)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allowed = methodsOf(path)
    const detail = `there is no ${request.method} ${path}`
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return problem(request, reply, { status: 404, code: codeOf(404), detail })
    }
    reply.header('allow', allowed.join(', '))
    if (allowed.includes('PATCH')) reply.header('accept-patch', acceptPatch)
    if (request.method === 'OPTIONS') return reply.code(204).send()
    const takes = `${detail}; it takes ${allowed.join(', ')}`
    return problem(request, reply, { status: 405, code: codeOf(405), detail: takes })
  })
}

/** Gives the methods that a path takes; none if no route has it (RFC 9110, 15.5.6). */
function knownPaths(app: FastifyInstance): (path: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    // The route of CORS for all preflights says nothing about any path.
    if (url === '*') return
    const source = url.replaceAll(/:\w+|\*|[^:*]+/g, (part) =>
      part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : RegExp.escape(part),
    )
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() })
  })
  return (given) => {
    const path = given.length > 1 && given.endsWith('/') ? given.slice(0, -1) : given
    const matching = routes.filter(({ pattern }) => pattern.test(path))
    return [...new Set(matching.flatMap(({ methods }) => methods))].sort()
  }
}

/** For `frameworkErrors`: a URL that the router cannot read. No route or hook is known yet. */
export function onFrameworkError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const status = error.statusCode ?? 400
  // No hook runs for it.
  reply.headers(apiHeaders)
  problem(request, reply, { status, code: codeOf(status), detail: error.message })
}

const parserStatus: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** For `clientErrorHandler`: bytes that are no HTTP request, so there is no URL to speak of. */
export function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // As in Node itself: this answer must not land in the middle of one that is being sent.
  const { _httpMessage: current } = socket as { _httpMessage?: { headersSent: boolean } }
  if (error.code === 'ECONNRESET' || !socket.writable || current?.headersSent) {
    socket.destroy()
    return
  }
  const status = parserStatus[error.code ?? ''] ?? 400
  const title = STATUS_CODES[status]
  const detail = 'the request cannot be read'
  const code = codeOf(status)
  const body = JSON.stringify({ type: 'about:blank', title, status, code, detail })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\n` +
      `cache-control: no-store\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

interface Problem {
  status: number
  code: string
  detail: string
  errors?: FieldProblem[] | undefined
}

/** Sends a problem document. `type` is `about:blank`, so `title` is that of the status. */
function problem(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, code, detail, errors }: Problem,
) {
  const [title, instance, { traceId }] = [STATUS_CODES[status], request.url, request]
  const body = { type: 'about:blank', title, status, code, detail, instance, traceId, errors }
  return reply
    .code(status)
    .type('application/problem+json')
    .header('cache-control', 'no-store')
    .send(JSON.stringify(body))
}

function fieldProblems(error: FastifyError): FieldProblem[] | undefined {
  if (error instanceof BadField || error instanceof PreconditionFailed) return error.problems
  return error.validation?.map(({ instancePath, keyword, params, message }) => {
    const path = instancePath.slice(1).replaceAll('/', '.')
    const within = (name: unknown) => [path, String(name)].filter(Boolean).join('.')
    if (keyword === 'additionalProperties') {
      return unknownField(within(params.additionalProperty))
    }
    if (keyword === 'required') {
      return { field: within(params.missingProperty), message: 'is missing' }
    }
    const allowed = (params.allowedValues as unknown[] | undefined)?.join(', ')
    return { field: path || '(body)', message: allowed ? `must be one of ${allowed}` : message! }
  })
}

/** Clients that write arrays as `genre[]=A` or `genre[0]=A` are told how they are written here. */
function unknownField(field: string): FieldProblem {
  const [, name] = /^(\w+)\[\d*\]$/.exec(field) ?? []
  if (name === undefined) return { field, message: 'is not known here' }
  return { field, message: `is not known here; several values are ${name}=A&${name}=B` }
}

export default fp(problemsPlugin, { name: 'problems', fastify: '5.x' })
