import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { withTimeout } from './cache/with-timeout.ts'

interface Count {
  current: number
  /** Milliseconds until the count starts again. */
  ttl: number
}

/** Counts one more under `key` in windows of `window` milliseconds. */
type Counter = (key: string, window: number) => Count | Promise<Count>

/** Keys counted in process at a time; the ones longest not seen make room. */
const most = 20_000

/** Counts in this process. */
function localCounter(): Counter {
  const counts = new LRUCache<string, { current: number; ends: number }>({ max: most })
  return (key, window) => {
    const now = Date.now()
    const count = counts.get(key)
    if (count === undefined || count.ends <= now) {
      counts.set(key, { current: 1, ends: now + window })
      return { current: 1, ttl: window }
    }
    count.current++
    return { current: count.current, ttl: count.ends - now }
  }
}

const script = `
local current = redis.call('incr', KEYS[1])
if current == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
return { current, redis.call('pttl', KEYS[1]) }`

/** Counts in Redis, for all instances; and in process as well, which is what counts while it is away. */
function sharedCounter(redis: Redis): Counter {
  const local = localCounter()
  return async (key, window) => {
    const here = local(key, window)
    try {
      const answer = await withTimeout(redis.eval(script, 1, `anime-api:limit:${key}`, window))
      const [current, ttl] = answer as [number, number]
      return { current, ttl }
    } catch {
      return here
    }
  }
}

/** The store of @fastify/rate-limit: counts in process, and for limits of their own in `redis`. */
export function counterStore(redis: Redis | undefined): FastifyRateLimitStoreCtor {
  const storeOn = (count: Counter): FastifyRateLimitStore => ({
    incr(key, callback, timeWindow) {
      const counted = count(key, timeWindow!)
      if (counted instanceof Promise) counted.then((value) => callback(null, value), callback)
      else callback(null, counted)
    },
    child: () => storeOn(redis === undefined ? localCounter() : sharedCounter(redis)),
  })
  return class {
    constructor() {
      Object.assign(this, storeOn(localCounter()))
    }
  } as unknown as FastifyRateLimitStoreCtor
}
