import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { withTimeout } from './cache/with-timeout.ts'
import { type Count, createCounts, maxKeys } from './workers/counts.ts'
import type { Workers } from './workers/index.ts'

/** Increments the count of `key`, of which `max` are allowed in a fixed window of `window` milliseconds. */
type Counter = (key: string, window: number, max: number) => Count | Promise<Count>

/** Adds `by` to a count that several processes share. */
type SharedCount = (key: string, window: number, by: number) => Promise<Count>

/** Counts in this process. */
function localCounter(): Counter {
  const add = createCounts()
  return (key, window) => add(key, window, 1)
}

/** What a worker has counted in a window, and what it knows of the others. */
interface Stepped {
  ends: number
  own: number
  /** How much of `own` was sent to the primary, and how much it has confirmed. */
  sent: number
  confirmed: number
  others: number
  synced: Promise<void>
}

const stepsPerWorker = 20

/**
 * Counts in this process, and tells the others in steps of a twentieth of this worker's share of the limit.
 * A request waits for another process only while two steps are on their way. Of what a worker has let
 * pass the others miss less than two steps, so together `workers` processes let pass at most
 * `(workers - 1) * (2 * step - 1)` too many: less than a tenth, or where a step is one request, `workers - 1`.
 */
function steppedCounter(shared: SharedCount, workers: number): Counter {
  const counts = new LRUCache<string, Stepped>({ max: maxKeys })

  async function sync(key: string, window: number, count: Stepped): Promise<void> {
    const by = count.own - count.sent
    const sent = count.own
    count.sent = sent
    try {
      const { current } = await shared(`${count.ends} ${key}`, window, by)
      count.confirmed = sent
      count.others = current - sent
    } catch {
      // The request is judged by what is known here.
    }
  }

  function counted(key: string, ends: number): Stepped {
    const known = counts.get(key)
    if (known?.ends === ends) return known
    const fresh = { ends, own: 0, sent: 0, confirmed: 0, others: 0, synced: Promise.resolve() }
    counts.set(key, fresh)
    return fresh
  }

  return (key, window, max) => {
    const now = Date.now()
    // At the same moments in all processes.
    const ends = (Math.floor(now / window) + 1) * window
    const count = counted(key, ends)
    const { others } = count
    const nth = ++count.own
    const step = Math.max(1, Math.floor(max / (stepsPerWorker * workers)))
    // One step above the limit is the last to be sent.
    if (nth + others > max + step) return { current: nth + others, ttl: ends - now }
    if (nth - count.sent >= step) count.synced = sync(key, window, count)
    if (nth - count.confirmed < 2 * step) return { current: nth + others, ttl: ends - now }
    return count.synced.then(() => ({ current: nth + count.others, ttl: ends - now }))
  }
}

const script = `
local current = redis.call('incr', KEYS[1])
if current == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
return { current, redis.call('pttl', KEYS[1]) }`

/** Counts in Redis, shared by all instances, and in `local` as a fallback while Redis is unreachable. */
function sharedCounter(redis: Redis, local: Counter): Counter {
  return async (key, window, max) => {
    const fallback = await local(key, window, max)
    try {
      const answer = await withTimeout(redis.eval(script, 1, `anime-api:limit:${key}`, window))
      const [current, ttl] = answer as [number, number]
      return { current, ttl }
    } catch {
      return fallback
    }
  }
}

/** Counts for the limit of all requests: in process, and with workers in steps together. */
export const requestCounter = ({ size, count }: Pick<Workers, 'size' | 'count'>): Counter =>
  count === undefined ? localCounter() : steppedCounter(count, size)

/**
 * The store for @fastify/rate-limit. Its limits count in `redis`, else exactly in this instance, whatever
 * its number of workers.
 */
export function counterStore(
  redis: Redis | undefined,
  { count }: Pick<Workers, 'count'>,
): FastifyRateLimitStoreCtor {
  const exact = (): Counter =>
    count === undefined ? localCounter() : (key, window) => count(key, window, 1)
  function createStore(): FastifyRateLimitStore {
    const counter = redis === undefined ? exact() : sharedCounter(redis, exact())
    return {
      incr(key, callback, timeWindow, max) {
        const result = counter(key, timeWindow!, max!)
        if (result instanceof Promise) result.then((value) => callback(null, value), callback)
        else callback(null, result)
      },
      child: createStore,
    }
  }
  return class {
    constructor() {
      Object.assign(this, createStore())
    }
  } as unknown as FastifyRateLimitStoreCtor
}
