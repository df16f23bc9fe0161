import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { withTimeout } from './cache/with-timeout.ts'

interface Count {
  current: number
  /** Milliseconds until the window ends. */
  ttl: number
}

/** Increments the count of `key` in a fixed window of `window` milliseconds. */
type Counter = (key: string, window: number) => Count | Promise<Count>

/** Maximum keys counted in process; the least recently used are evicted. */
const maxKeys = 20_000

/** Counts in this process. */
function localCounter(): Counter {
  const counts = new LRUCache<string, { current: number; ends: number }>({ max: maxKeys })
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

/** Counts in Redis, shared by all instances, and in process as a fallback while Redis is unreachable. */
function sharedCounter(redis: Redis): Counter {
  const local = localCounter()
  return async (key, window) => {
    const fallback = local(key, window)
    try {
      const answer = await withTimeout(redis.eval(script, 1, `anime-api:limit:${key}`, window))
      const [current, ttl] = answer as [number, number]
      return { current, ttl }
    } catch {
      return fallback
    }
  }
}

/** The store for @fastify/rate-limit: the global limit counts in process, limits of routes in `redis`. */
export function counterStore(redis: Redis | undefined): FastifyRateLimitStoreCtor {
  const createStore = (count: Counter): FastifyRateLimitStore => ({
    incr(key, callback, timeWindow) {
      const result = count(key, timeWindow!)
      if (result instanceof Promise) result.then((value) => callback(null, value), callback)
      else callback(null, result)
    },
    child: () => createStore(redis === undefined ? localCounter() : sharedCounter(redis)),
  })
  return class {
    constructor() {
      Object.assign(this, createStore(localCounter()))
    }
  } as unknown as FastifyRateLimitStoreCtor
}
