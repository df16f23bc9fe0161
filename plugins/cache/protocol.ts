import { LRUCache } from 'lru-cache'
import { type Coding, createEntry, type Entry, encode, etagOf, sizeOf } from './entry.ts'
import { createFlights, type Flight } from './flights.ts'
import type { Journal, JournalEvents, Listed, Mark } from './journal.ts'
import type { CacheKey, Change } from './keys.ts'
import { createReplica, type Replica, type Version } from './replica.ts'
import { dimensionTree } from './tree.ts'

/*
 * The coherent cache. Its promise: whatever it answers, the database could have answered at some
 * moment between the request's arrival and the answer. The nine rules by which it keeps that promise
 * are in docs/cache.md; here they stand in their order, without HTTP.
 *
 *   1 canonical keys           keys.ts    canonicalKey
 *   2 tags, any-of             keys.ts    dimensionsOf, imageOf, touches
 *   3 versions before the read protocol   begin, store
 *   4 every hit is checked     protocol   look; journal catchUp
 *   5 epoch                    replica.ts Version
 *   6 marks, leases, outbox    protocol   write; relay.ts
 *   7 one query a key          flights.ts
 *   8 slower, never wrong      breaker.ts
 *   9 no Redis                 journal.ts createLocalJournal
 */

export interface CacheOptions {
  /** Bound on the memory of local copies, in bytes. */
  maxBytes: number
  /** Milliseconds that an answer is kept at the most: a safety net, never the means of freshness. */
  ttl: number
  openJournal: (replica: Replica, events: JournalEvents) => Journal
}

/** What came of looking for an answer. */
export type Look =
  | { status: 'hit'; entry: Entry; tier: 'memory' | 'redis' }
  | { status: 'miss' }
  | { status: 'bypass' }

/** A query about to be sent, and the version read before it (rule 3). */
export interface Fill extends CacheKey {
  version: Version
  bypass: boolean
}

const alone: Flight<Entry> = { outcome: Promise.resolve(undefined), land: () => {} }

/** How long a mark stands without being finished, in milliseconds. */
export const markLease = 10_000

/** A write's mark had grown too old to commit under, or was lost with Redis: begin again. */
export class MarkLost extends Error {}

export function createCache({ maxBytes, ttl, openJournal }: CacheOptions) {
  const tree = dimensionTree()
  const replica = createReplica()
  const flights = createFlights<Entry>()
  const totals = { hits: 0, misses: 0, bypasses: 0, invalidations: 0 }
  const memory = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
    dispose: (entry, key) => tree.remove(key, entry.dimensions),
    noDisposeOnSet: true,
  })
  const journal = openJournal(replica, {
    onEntry(entry) {
      replica.append(entry)
      for (const key of tree.touchedBy(entry.change)) {
        memory.delete(key)
        totals.invalidations += 1
      }
    },
    onReset(version) {
      replica.reset(version)
      memory.clear()
      tree.clear()
    },
  })

  /** Local copies stand as of the replica's version: whatever touches them has removed them. */
  function local(key: string): Entry | undefined {
    const entry = memory.get(key)
    if (entry === undefined) return undefined
    if (entry.expires > Date.now()) return entry
    memory.delete(key)
    return undefined
  }

  function keep(entry: Entry, asOf: Version): void {
    if (!replica.unchangedSince(asOf, entry.dimensions)) return
    memory.set(entry.key, entry)
    if (memory.has(entry.key)) tree.add(entry.key, entry.dimensions)
  }

  function hit(entry: Entry, tier: 'memory' | 'redis'): Look {
    entry.hits += 1
    totals.hits += 1
    return { status: 'hit', entry, tier }
  }

  /**
   * Rule 4. Every hit is checked: the replica is brought up to a moment after this call before a copy
   * may be used. Answers at once where the journal does.
   */
  function look(key: string): Look | Promise<Look> {
    const current = journal.catchUp()
    if (current === true) {
      const entry = local(key)
      if (entry !== undefined) return hit(entry, 'memory')
    }
    return lookFurther(key, current)
  }

  async function lookFurther(key: string, current: boolean | Promise<boolean>): Promise<Look> {
    if (!(await current)) return { status: 'bypass' }
    const entry = local(key)
    if (entry !== undefined) return hit(entry, 'memory')
    const loaded = await journal.load(key)
    if (loaded === undefined) return { status: 'miss' }
    const made = Date.now() - loaded.age
    const shared = createEntry({ ...loaded, made, expires: Date.now() + loaded.ttl })
    keep(shared, loaded.version)
    return hit(shared, 'redis')
  }

  /**
   * Rules 3 and 7. Leads the one query for a key, or gives the answer of the query that another
   * request leads. A leader that had to wait looks again: its predecessor's answer may stand. After
   * leaders that came back with nothing, a request goes on alone.
   */
  async function begin(
    wanted: CacheKey,
    bypass: boolean,
  ): Promise<{ fill: Fill; flight: Flight<Entry> } | { entry: Entry; collapsed: boolean }> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const mustWait = flights.busy(wanted.key)
      const joined = await flights.join(wanted.key)
      if ('landed' in joined) {
        if (joined.landed !== undefined) return { entry: joined.landed, collapsed: true }
        continue
      }
      const flight = joined.lead
      if (mustWait) {
        const again = await look(wanted.key)
        if (again.status === 'hit') {
          flight.land(again.entry)
          return { entry: again.entry, collapsed: false }
        }
        bypass = again.status === 'bypass'
      }
      return { fill: { ...wanted, version: replica.version, bypass }, flight }
    }
    return { fill: { ...wanted, version: replica.version, bypass: true }, flight: alone }
  }

  /**
   * Rule 3. Makes an entry of an answer, and stores it if no write has touched it since the version
   * that was read before its query began. The TTL is counted from here and never renewed.
   */
  async function store(
    fill: Fill,
    answer: { body: Buffer; headers: string[] },
  ): Promise<{ entry: Entry; stored: boolean }> {
    const { key, dimensions } = fill
    const made = Date.now()
    const lifetime = ttl * (0.9 + 0.1 * Math.random())
    const etag = etagOf(answer.body)
    const entry = createEntry({ ...answer, key, dimensions, etag, made, expires: made + lifetime })
    if (fill.bypass) {
      totals.bypasses += 1
      return { entry, stored: false }
    }
    totals.misses += 1
    const meta = { key, dimensions, etag, headers: answer.headers }
    const asOf = await journal.store(meta, answer.body, fill.version)
    if (asOf === undefined) return { entry, stored: false }
    keep(entry, asOf)
    return { entry, stored: true }
  }

  /** An encoding made later makes the entry larger: the memory's account follows. */
  function grown(entry: Entry): void {
    if (memory.peek(entry.key) !== entry) return
    memory.set(entry.key, entry)
    if (!memory.has(entry.key)) tree.remove(entry.key, entry.dimensions)
  }

  /**
   * Rule 6, the last step before a commit.
   * @throws MarkLost when the mark is older than half its lease, or gone
   */
  async function confirm(mark: Mark): Promise<void> {
    if (performance.now() - mark.since > markLease / 2) throw new MarkLost('the mark is too old')
    if (!(await journal.holds(mark))) throw new MarkLost('the mark is gone')
  }

  return {
    look,
    begin,
    store,
    /** Rule 6. Marks what a write is about to change; undefined when the journal is out of reach. */
    mark: (change: Change) => journal.mark(change),
    confirm,
    /** Rule 6. Ends a write, committed or not. `false`: the outbox row has to stay. */
    finish: (change: Change, mark: string | null) => journal.finish(change, mark),
    encode: (entry: Entry, coding: Coding) => encode(entry, coding, grown),
    totals,
    list: (limit: number) => list(memory, journal, limit),
    remove: async (key: string) => {
      const held = memory.peek(key)
      memory.delete(key)
      return journal.remove(key, [...(held?.dimensions ?? [])])
    },
    get bytes() {
      return memory.calculatedSize
    },
    get size() {
      return memory.size
    },
    journal,
  }
}

export type Cache = ReturnType<typeof createCache>

/** The answers held here, most recently used first, and those of the shared tier. */
async function list(memory: LRUCache<string, Entry>, journal: Journal, limit: number) {
  const now = Date.now()
  const local: (Listed & { hits: number })[] = []
  for (const [key, entry] of memory.entries()) {
    if (local.length >= limit) break
    local.push({
      key,
      tags: [...entry.dimensions],
      bytes: sizeOf(entry),
      age: Math.floor((now - entry.made) / 1000),
      ttl: Math.max(0, Math.floor((entry.expires - now) / 1000)),
      hits: entry.hits,
    })
  }
  return { local, shared: await journal.list(limit) }
}
