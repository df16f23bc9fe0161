import { context, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import type { LookupResult } from '../plugins/cache/lookup.ts'
import type { Cache, Leader, Outcome } from '../plugins/cache/protocol.ts'

/** The attributes that describe a cache lookup on a span. */
const attribute = { key: 'anime_api.cache.key', status: 'anime_api.cache.status' }

/**
 * Wraps lookup, join and store of the cache in spans, children of the request's span, which gets key and
 * status too. The cache does not depend on OpenTelemetry. An unsampled request pays for one read of the
 * active span.
 */
export function traceCache(cache: Cache): void {
  const { lookup, join, store } = cache

  cache.lookup = (key) => {
    const parent = recordingSpan()
    if (parent === undefined) return lookup(key)
    return withSpan(
      'cache lookup',
      key,
      () => lookup(key),
      ({ status }, span) => describeLookup(status, key, span, parent),
    )
  }

  cache.join = (wanted, seen, left) => {
    const parent = recordingSpan()
    if (parent === undefined) return join(wanted, seen, left)
    return withSpan(
      'cache wait',
      wanted.key,
      () => join(wanted, seen, left),
      (joined, span) => describeLookup(outcomeOf(joined, seen), wanted.key, span, parent),
    ) as Promise<Outcome | Leader>
  }

  cache.store = (fill, answer) => {
    if (recordingSpan() === undefined) return store(fill, answer)
    return withSpan(
      'cache store',
      fill.key,
      () => store(fill, answer),
      ({ stored }, span) => span.setAttribute('anime_api.cache.stored', stored),
    ) as ReturnType<typeof store>
  }
}

function outcomeOf(joined: Outcome | Leader, seen: LookupResult): string {
  return 'fill' in joined ? seen.status : joined.hit ? 'hit' : 'miss'
}

function describeLookup(status: string, key: string, span: Span, parent: Span): void {
  span.setAttribute(attribute.status, status)
  parent.setAttribute(attribute.status, status)
  parent.setAttribute(attribute.key, key)
}

function recordingSpan(): Span | undefined {
  const active = context.active()
  // The common case, and cheaper than a search for a span.
  if (active === ROOT_CONTEXT) return undefined
  const span = trace.getSpan(active)
  return span?.isRecording() ? span : undefined
}

/** Runs `work` in a new span; `describe` adds the result to the span. */
function withSpan<T>(
  name: string,
  key: string,
  work: () => T | Promise<T>,
  describe: (result: T, span: Span) => void,
): T | Promise<T> {
  const tracer = trace.getTracer('anime-api')
  const span = tracer.startSpan(name, { attributes: { [attribute.key]: key } })
  const succeed = (result: T): T => {
    describe(result, span)
    span.end()
    return result
  }
  const fail = (error: unknown): never => {
    span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) })
    span.end()
    throw error
  }
  try {
    const result = context.with(trace.setSpan(context.active(), span), work)
    return result instanceof Promise ? result.then(succeed, fail) : succeed(result)
  } catch (error) {
    return fail(error)
  }
}
