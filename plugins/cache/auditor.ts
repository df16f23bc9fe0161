import { type Entry, etagOf } from './entry.ts'
import type { Cache } from './protocol.ts'
import { systemRuntime } from './runtime.ts'

/** What a query answers, as far as an audit compares it. */
interface Reread {
  body: Buffer | string
  /** The opaque part of its strong ETag, if the query gives one of its own. */
  etag?: string | undefined
}

/** A cached answer, and how to read it again from the database. */
export interface Auditable {
  key: string
  read: () => Promise<Reread>
}

/**
 * Reads an answer again, and compares the ETags. Undefined: there is nothing to compare, since the answer
 * was not held, or a write that touches it was marked meanwhile.
 */
export async function audit(cache: Cache, { key, read }: Auditable): Promise<boolean | undefined> {
  const before = await currentEntry(cache, key)
  if (before === undefined) return undefined
  const etag = await read().then(({ body, etag = etagOf(body) }) => etag, undefinedIfNotFound)
  if ((await currentEntry(cache, key)) !== before) return undefined
  return etag === before.etag
}

/** A row that is gone is an answer too: the cached one is wrong. */
function undefinedIfNotFound(error: { statusCode?: number }): undefined {
  if (error.statusCode !== 404) throw error
}

async function currentEntry({ journal, memory }: Cache, key: string): Promise<Entry | undefined> {
  return journal.sync((current) => (current ? memory.peek(key) : undefined))
}

export interface AuditorOptions {
  cache: Cache
  /** Answers asked for lately, of each route the latest first. */
  candidates: () => Iterable<Auditable>
  /** Milliseconds between two audits. */
  interval: number
  onStale: (key: string) => void
  /** Called with the key of an answer that could not be read again. */
  onError: (error: unknown, key: string) => void
}

/**
 * Watches the cache in production: at intervals it takes the first candidate that was hit since its last
 * audit, and reads it from the database again. `cache_stale_reads_total` counts what differs, and must stay 0.
 */
export function startAuditor({ cache, candidates, interval, onStale, onError }: AuditorOptions) {
  const audited = new WeakMap<Entry, number>()
  let stopped = false

  async function auditOne(): Promise<void> {
    for (const candidate of candidates()) {
      const { key } = candidate
      const entry = cache.memory.peek(key)
      if (entry === undefined || entry.hits === (audited.get(entry) ?? 0)) continue
      const { hits } = entry
      try {
        const fresh = await audit(cache, candidate)
        // A write came between: its next hit is audited.
        if (fresh === undefined) return
        audited.set(entry, hits)
        if (!fresh) {
          cache.totals.staleReads += 1
          onStale(key)
        }
      } catch (error) {
        audited.set(entry, hits)
        if (!stopped) onError(error, key)
      }
      return
    }
  }

  const cancel = systemRuntime.every(interval, () => void auditOne())
  return {
    auditOne,
    /** What is being read now may fail with the database, and nobody is told. */
    stop() {
      stopped = true
      cancel()
    },
  }
}

export type Auditor = ReturnType<typeof startAuditor>
