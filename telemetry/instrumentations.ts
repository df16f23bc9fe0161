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

const load = createRequire(import.meta.url)

/**
 * What is watched: Fastify's routes, Redis, SQL Server, requests that the service makes itself, and the
 * log. Node's HTTP server is not, or each request would have two server spans.
 */
export function instrumentations({ REDIS_URL, DATABASE_URL }: NodeJS.ProcessEnv) {
  const fastify = new FastifyOtelInstrumentation({
    // One span a request; a span for each hook would hide those that say something.
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    requestHook: describeRequest,
  })
  const tedious = new TediousInstrumentation()
  const watched = [
    fastify,
    new IORedisInstrumentation({ dbStatementSerializer: describeCommand }),
    tedious,
    new UndiciInstrumentation({ requireParentforSpans: true }),
    new PinoInstrumentation(),
  ]
  // They patch what is required, not what is imported: required here once, what is imported later is
  // the same, patched.
  if (REDIS_URL) load('ioredis')
  if (DATABASE_URL?.startsWith('mssql:')) load('tedious')
  return { watched, fastify, tedious }
}

/**
 * Fastify's plugin, its own hooks run only for requests that are not left out: to ask within them costs
 * each of the others several times what it costs here.
 */
export function requestSpans(
  fastify: FastifyOtelInstrumentation,
  leftOut: (request: FastifyRequest) => boolean,
): FastifyPluginCallback {
  const install = fastify.plugin()
  const without = {
    onRequest: leftOut,
    onResponse: ({ knownTraceId }: FastifyRequest) => knownTraceId === null,
  }
  const plugin: FastifyPluginCallback = (app, options, done) => {
    const addHook = app.addHook as (name: string, hook: unknown) => FastifyInstance
    let installing = true
    app.decorateRequest('knownTraceId', null)
    app.addHook = function (this: FastifyInstance, name: string, hook: onRequestHookHandler) {
      const skip = installing ? without[name as keyof typeof without] : undefined
      return addHook.call(this, name, skip === undefined ? hook : unless(skip, hook))
    } as typeof app.addHook
    install(app, options, done)
    installing = false
  }
  return fp(plugin, { name: 'request-spans' })
}

function unless(
  skip: (request: FastifyRequest) => boolean,
  hook: onRequestHookHandler,
): onRequestHookHandler {
  return function (request, reply, done) {
    if (skip(request)) done()
    else hook.call(this, request, reply, done)
  }
}

/** A command and its keys, without what it stores there: an answer may be megabytes. */
function describeCommand(name: string, args: unknown[]): string {
  if (/^auth$/i.test(name)) return name
  const keys = /^eval/i.test(name) ? args.slice(2, 2 + Number(args[1])) : args.slice(0, 1)
  return [name, ...keys].join(' ')
}

/** A provider for an instrumentation that would trace what belongs to no request, such as the relay's polls. */
export function onlyWithin(provider: TracerProvider): TracerProvider {
  return {
    getTracer(...named) {
      const tracer = provider.getTracer(...named)
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
 * Names the server span and describes it as the conventions for HTTP want it.
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 */
function describeRequest(span: Span, request: FastifyRequest): void {
  request.knownTraceId = span.spanContext().traceId
  const { method, url, raw } = request
  const route = request.routeOptions.url
  span.updateName(nameOf(method, route))
  const [path, query] = split(url)
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

const names = new Map<string, Map<string, string>>()

/** One string for all spans of a route: a string for each would be copied about by the collector of garbage. */
function nameOf(method: string, route: string | undefined): string {
  if (route === undefined) return method
  const known = names.get(route) ?? new Map<string, string>()
  names.set(route, known)
  const name = known.get(method) ?? `${method} ${route}`
  known.set(method, name)
  return name
}

function split(url: string): [string, string | undefined] {
  const at = url.indexOf('?')
  return at < 0 ? [url, undefined] : [url.slice(0, at), url.slice(at + 1)]
}
