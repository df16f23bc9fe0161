import type { Entry } from './entry.ts'
import type { Journal } from './journal.ts'
import type { MemoryStore } from './memory-store.ts'
import type { Runtime } from './runtime.ts'

/** What a lookup found. `bypass`: the copy could not be checked, so it is not used. */
export type LookupResult = { status: 'hit'; entry: Entry } | { status: 'miss' | 'bypass' }

export interface LookupOptions {
  journal: Journal
  memory: MemoryStore
  runtime: Runtime
  /** Called before each lookup: whether the cache may be used, at once or after a promise. */
  beforeLookup: () => true | Promise<boolean>
  onHit: () => void
}

/**
 * Rule 4. Every hit is checked: the replica is brought up to a moment after the call before a copy may be
 * used. Synchronous where the journal is.
 */
export function createLookup({ journal, memory, runtime, beforeLookup, onHit }: LookupOptions) {
  /** A local copy is valid at the replica's version: a write that touches it has removed it. */
  function getLocal(key: string): Entry | undefined {
    const entry = memory.get(key)
    if (entry === undefined) return undefined
    if (entry.expires > runtime.date()) return entry
    memory.delete(key)
    return undefined
  }

  return (key: string): LookupResult | Promise<LookupResult> => {
    const result = (current: boolean): LookupResult => {
      if (!current) return { status: 'bypass' }
      const entry = getLocal(key)
      if (entry === undefined) return { status: 'miss' }
      entry.hits += 1
      onHit()
      return { status: 'hit', entry }
    }
    const ready = beforeLookup()
    if (ready === true) return journal.sync(result)
    return ready.then((usable) => (usable ? journal.sync(result) : result(false)))
  }
}
