import { context, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import type { LookupResult } from '../plugins/cache/lookup.ts'
import type { Cache, Leader, Outcome } from '../plugins/cache/protocol.ts'

/** What the request's span says of the cache. */
const attribute = { key: 'anime_api.cache.key', status: 'anime_api.cache.status' }

/**
 * Puts a span around each lookup, each join of a query and each store, as children of the request's span,
 * which gets key and status too. The cache itself knows nothing of it. A request that is not sampled
 * pays for one read of the active span.
 */
export function traceCache(cache: Cache): void {
  const { lookup, join, store } = cache

  cache.lookup = (key) => {
    const parent = recording()
    if (parent === undefined) return lookup(key)
    return within(
      'cache lookup',
      key,
      () => lookup(key),
      ({ status }, span) => describeLookup(status, key, span, parent),
    )
  }

  cache.join = (wanted, seen, left) => {
    const parent = recording()
    if (parent === undefined) return join(wanted, seen, left)
    return within(
      'cache wait',
      wanted.key,
      () => join(wanted, seen, left),
      (joined, span) => describeLookup(outcomeOf(joined, seen), wanted.key, span, parent),
    ) as Promise<Outcome | Leader>
  }

  cache.store = (fill, answer) => {
    if (recording() === undefined) return store(fill, answer)
    return within(
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

function recording(): Span | undefined {
  const active = context.active()
  // Nearly always, and cheaper than to look for a span there.
  if (active === ROOT_CONTEXT) return undefined
  const span = trace.getSpan(active)
  return span?.isRecording() ? span : undefined
}

/** Runs `work` in a span of its own; `describe` gives the span its result. */
function within<T>(
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
