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
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_QUERY,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from '@opentelemetry/semantic-conventions'
import type { FastifyRequest } from 'fastify'
import { rememberTrace } from './requests.ts'

const load = createRequire(import.meta.url)

/**
 * What is watched: Fastify's routes, Redis, SQL Server, requests that the service makes itself, and the
 * log. Node's HTTP server is not, or each request would have two server spans.
 */
export function instrumentations(
  { REDIS_URL, DATABASE_URL }: NodeJS.ProcessEnv,
  leftOut: () => boolean,
) {
  const tedious = new TediousInstrumentation()
  const watched = [
    new FastifyOtelInstrumentation({
      registerOnInitialization: true,
      // One span a request; a span for each hook would hide those that say something.
      instrumentHooks: false,
      instrumentHandler: false,
      recordExceptions: false,
      requestHook: describeRequest,
      // Called as a request arrives: the cheapest place to leave it out.
      ignorePaths: leftOut,
    }),
    new IORedisInstrumentation(),
    tedious,
    new UndiciInstrumentation({ requireParentforSpans: true }),
    new PinoInstrumentation(),
  ]
  // They patch what is required, not what is imported: required here once, what is imported later is
  // the same, patched.
  if (REDIS_URL) load('ioredis')
  if (DATABASE_URL?.startsWith('mssql:')) load('tedious')
  return { watched, tedious }
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
  rememberTrace(request, span.spanContext().traceId)
  const { method, url, raw } = request
  const route = request.routeOptions.url
  span.updateName(route === undefined ? method : `${method} ${route}`)
  const [path, query] = split(url)
  const attributes: Attributes = {
    [ATTR_URL_SCHEME]: request.protocol,
    [ATTR_URL_PATH]: path,
    [ATTR_CLIENT_ADDRESS]: request.ip,
    [ATTR_NETWORK_PROTOCOL_VERSION]: raw.httpVersion,
    [ATTR_SERVER_ADDRESS]: request.hostname,
  }
  if (query !== undefined) attributes[ATTR_URL_QUERY] = query
  if (request.port) attributes[ATTR_SERVER_PORT] = request.port
  const agent = raw.headers['user-agent']
  if (agent !== undefined) attributes[ATTR_USER_AGENT_ORIGINAL] = agent
  span.setAttributes(attributes)
}

function split(url: string): [string, string | undefined] {
  const at = url.indexOf('?')
  return at < 0 ? [url, undefined] : [url.slice(0, at), url.slice(at + 1)]
}
