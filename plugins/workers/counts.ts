import { LRUCache } from 'lru-cache'

export interface Count {
  current: number
  /** Milliseconds until the window ends. */
  ttl: number
}

/** Maximum keys counted in process; the least recently used are evicted. */
export const maxKeys = 20_000

/** Counts that end with their windows; adds `by` to one. */
export function createCounts() {
  const counts = new LRUCache<string, { current: number; ends: number }>({ max: maxKeys })
  return (key: string, window: number, by: number): Count => {
    const now = Date.now()
    const count = counts.get(key)
    if (count === undefined || count.ends <= now) {
      counts.set(key, { current: by, ends: now + window })
      return { current: by, ttl: window }
    }
    count.current += by
    return { current: count.current, ttl: count.ends - now }
  }
}
