import { context, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Cache, Landing, Leading, Look } from '../plugins/cache/protocol.ts'

/** What the request's span says of the cache. */
const attribute = { key: 'anime_api.cache.key', status: 'anime_api.cache.status' }

/**
 * Puts a span around each lookup, each wait for (or lead of) a query, and each store, as children of
 * the request's span, which gets key and status too. The cache itself knows nothing of it; requests
 * that are not sampled pay for one look at the active span.
 */
export function traceCache(cache: Cache): void {
  const { look, begin, store } = cache

  cache.look = (key) => {
    const parent = recording()
    if (parent === undefined) return look(key)
    return within(
      'cache lookup',
      key,
      () => look(key),
      ({ status }, span) => tell(status, key, span, parent),
    )
  }

  cache.begin = (wanted, seen) => {
    const parent = recording()
    if (parent === undefined) return begin(wanted, seen)
    return within(
      'cache wait',
      wanted.key,
      () => begin(wanted, seen),
      (begun, span) => tell(outcomeOf(begun, seen), wanted.key, span, parent),
    ) as Promise<Landing | Leading>
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

function outcomeOf(begun: Landing | Leading, seen: Look): string {
  return 'fill' in begun ? seen.status : begun.hit ? 'hit' : 'miss'
}

function tell(status: string, key: string, span: Span, parent: Span): void {
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

/** Runs `work` in a span of its own; `describe` tells the span what came of it. */
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
