import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import {
  type Attributes,
  context,
  INVALID_SPAN_CONTEXT,
  type Span,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis'
import { PinoInstrumentation } from '@opentelemetry/instrumentation-pino'
import { TediousInstrumentation } from '@opentelemetry/instrumentation-tedious'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_QUERY,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from '@opentelemetry/semantic-conventions'
import type {
  FastifyInstance,
  FastifyPluginCallback,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify'
import fp from 'fastify-plugin'

const require = createRequire(import.meta.url)

/**
 * Instruments Fastify's routes, Redis, SQL Server, outgoing HTTP requests and the log. Node's HTTP server
 * is left out, or each request would have two server spans.
 */
export function instrumentations({ REDIS_URL, DATABASE_URL }: NodeJS.ProcessEnv) {
  const fastify = new FastifyOtelInstrumentation({
    // One span per request. Spans of hooks would hide the useful ones.
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    requestHook: describeRequest,
  })
  const tedious = new TediousInstrumentation()
  const all = [
    fastify,
    new IORedisInstrumentation({ dbStatementSerializer: describeCommand }),
    tedious,
    new UndiciInstrumentation({ requireParentforSpans: true }),
    new PinoInstrumentation(),
  ]
  // Instrumentations patch modules on `require`, not on `import`. Requiring a module here patches the
  // instance that the service imports later.
  if (REDIS_URL) require('ioredis')
  if (DATABASE_URL?.startsWith('mssql:')) require('tedious')
  return { all, fastify, tedious }
}

/**
 * The plugin of @fastify/otel, with its hooks skipped for unsampled requests. Its own way to ignore a
 * request costs several times as much.
 */
export function requestSpans(
  fastify: FastifyOtelInstrumentation,
  isSampled: (request: IncomingMessage) => boolean,
): FastifyPluginCallback {
  const install = fastify.plugin()
  const skipConditions = {
    onRequest: ({ raw }: FastifyRequest) => !isSampled(raw),
    onResponse: ({ assignedTraceId }: FastifyRequest) => assignedTraceId === null,
  }
  const plugin: FastifyPluginCallback = (app, options, done) => {
    const addHook = app.addHook as (name: string, hook: unknown) => FastifyInstance
    let installing = true
    app.decorateRequest('assignedTraceId', null)
    app.addHook = function (this: FastifyInstance, name: string, hook: onRequestHookHandler) {
      const skip = installing ? skipConditions[name as keyof typeof skipConditions] : undefined
      return addHook.call(this, name, skip === undefined ? hook : skipWhen(skip, hook))
    } as typeof app.addHook
    install(app, options, done)
    installing = false
  }
  return fp(plugin, { name: 'request-spans' })
}

function skipWhen(
  skip: (request: FastifyRequest) => boolean,
  hook: onRequestHookHandler,
): onRequestHookHandler {
  return function (request, reply, done) {
    if (skip(request)) done()
    else hook.call(this, request, reply, done)
  }
}

/** A Redis command and its keys, without the values: a cached answer may be megabytes. */
function describeCommand(name: string, args: unknown[]): string {
  if (/^auth$/i.test(name)) return name
  const keys = /^eval/i.test(name) ? args.slice(2, 2 + Number(args[1])) : args.slice(0, 1)
  return [name, ...keys].join(' ')
}

/** A tracer provider that creates no root spans, for work outside of requests such as the relay's polls. */
export function childSpansOnly(provider: TracerProvider): TracerProvider {
  return {
    getTracer(...args) {
      const tracer = provider.getTracer(...args)
      return {
        startSpan: (name, options, parent = context.active()) =>
          trace.getSpan(parent) === undefined
            ? trace.wrapSpanContext(INVALID_SPAN_CONTEXT)
            : tracer.startSpan(name, options, parent),
        startActiveSpan: tracer.startActiveSpan.bind(tracer),
      }
    },
  }
}

/**
 * Sets the name and attributes of the server span by the semantic conventions for HTTP.
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 */
function describeRequest(span: Span, request: FastifyRequest): void {
  request.assignedTraceId = span.spanContext().traceId
  const { method, url, raw } = request
  const route = request.routeOptions.url
  span.updateName(spanName(method, route))
  const [path, query] = splitUrl(url)
  const attributes: Attributes = {
    [ATTR_URL_SCHEME]: request.protocol,
    [ATTR_URL_PATH]: path,
    [ATTR_CLIENT_ADDRESS]: request.ip,
    [ATTR_SERVER_ADDRESS]: request.hostname,
  }
  if (query !== undefined) attributes[ATTR_URL_QUERY] = query
  if (request.port) attributes[ATTR_SERVER_PORT] = request.port
  const agent = raw.headers['user-agent']
  if (agent !== undefined) attributes[ATTR_USER_AGENT_ORIGINAL] = agent
  span.setAttributes(attributes)
}

const spanNames = new Map<string, Map<string, string>>()

/** One string for all spans of a route: a new string per span would be work for the garbage collector. */
function spanName(method: string, route: string | undefined): string {
  if (route === undefined) return method
  const byMethod = spanNames.get(route) ?? new Map<string, string>()
  spanNames.set(route, byMethod)
  const name = byMethod.get(method) ?? `${method} ${route}`
  byMethod.set(method, name)
  return name
}

function splitUrl(url: string): [string, string | undefined] {
  const mark = url.indexOf('?')
  return mark < 0 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}
