import { type Entry, etagOf } from './entry.ts'
import type { CacheKey } from './keys.ts'
import type { Cache } from './protocol.ts'

/** A cached answer and the way to make it anew from the database. */
export interface Auditable extends CacheKey {
  read: () => Promise<string>
}

/**
 * Reads the answer anew and compares, if it stood unchanged from before that query until after it: no
 * write was marked meanwhile that touches it. `undefined`: it did not, there is nothing to compare.
 */
export async function audit(cache: Cache, { key, read }: Auditable): Promise<boolean | undefined> {
  const before = await standing(cache, key)
  if (before === undefined) return undefined
  const etag = await read().then(etagOf, nothingThere)
  if ((await standing(cache, key)) !== before) return undefined
  return etag === before.etag
}

/** A title that is gone is an answer too. */
function nothingThere(error: { statusCode?: number }): undefined {
  if (error.statusCode !== 404) throw error
}

async function standing({ journal, memory }: Cache, key: string): Promise<Entry | undefined> {
  return journal.catchUp((current) => (current ? memory.peek(key) : undefined))
}

export interface AuditorOptions {
  cache: Cache
  /** Answers asked for lately, the latest first. */
  candidates: () => Iterable<Auditable>
  /** Milliseconds between two audits. */
  every: number
  onStale: (key: string) => void
  onError: (error: unknown) => void
}

/**
 * Keeps the cache honest in production: now and then it takes an answer that was hit since it was
 * last looked at and reads it from the database again. What it counts must stay 0.
 */
export function startAuditor({ cache, candidates, every, onStale, onError }: AuditorOptions) {
  const audited = new WeakMap<Entry, number>()

  async function round(): Promise<void> {
    for (const candidate of candidates()) {
      const entry = cache.memory.peek(candidate.key)
      if (entry === undefined || entry.hits === (audited.get(entry) ?? 0)) continue
      audited.set(entry, entry.hits)
      const honest = await audit(cache, candidate)
      if (honest === false) {
        cache.totals.staleReads += 1
        onStale(candidate.key)
      }
      return
    }
  }

  const timer = setInterval(() => void round().catch(onError), every)
  timer.unref()
  return { round, stop: () => clearInterval(timer) }
}
