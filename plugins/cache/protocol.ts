import {
  type Coding,
  createEntry,
  type Entry,
  encode,
  etagOf,
  pack,
  sizeOf,
  unpack,
} from './entry.ts'
import { createFlights, type Flight } from './flights.ts'
import type { EntryInfo, Fill, Journal, JournalEvents, Mark } from './journal.ts'
import { createLookup, type LookupResult } from './lookup.ts'
import { createMemoryStore } from './memory-store.ts'
import { createReplica, isAtOrAfter, type Replica, type Version } from './replica.ts'
import { type Runtime, systemRuntime } from './runtime.ts'
import type { CacheKey } from './tags.ts'
import { waits } from './waits.ts'

/*
 * The coherent cache, without HTTP. Its promise: whatever it answers, the database could have answered at
 * some moment between the request's arrival and the answer. The nine rules by which it keeps that promise
 * are in docs/cache.md. Where they are in the code:
 *
 *   1 canonical keys              tags.ts      canonicalKey
 *   2 tags                        tags.ts      touches
 *   3 versions before the read    protocol.ts  lead, store
 *   4 every hit is checked        lookup.ts; batches.ts; redis-journal.ts isCurrent
 *   5 epoch                       replica.ts   Version; redis-journal.ts attach
 *   6 marks, leases, outbox       write.ts; protocol.ts confirm; relay.ts
 *   7 one query for each key      flights.ts
 *   8 slower, never wrong         connection-state.ts, connection.ts
 *   9 no Redis                    local-journal.ts
 */

export interface CacheOptions {
  /** Bound on the memory of local copies, in bytes. */
  maxBytes: number
  /** Milliseconds that an answer is kept at most: a safety net, never the means of freshness. */
  ttl: number
  openJournal: (replica: Replica, events: JournalEvents) => Journal
  beforeLookup: () => true | Promise<boolean>
  runtime?: Runtime
}

/** What the followers of a flight get: the leader's answer, and whether the leader found it in the cache. */
export interface Outcome {
  entry: Entry
  hit: boolean
}

/** What makes a request a leader: it runs the query of `fill`, and settles `flight` for its followers. */
export interface Leader {
  fill: Fill
  flight: Flight<Outcome>
}

/** What a query answered, ready to be sent and stored. `headers`: name, value, name, value. */
export interface Answer {
  body: Buffer
  headers: string[]
  /** The opaque part of its strong ETag, if it is known already. */
  etag?: string | undefined
}

/** A write's mark is too old to commit under, or was lost with Redis: begin again. */
export class MarkLost extends Error {}

/** How often a request joins a flight before it runs its own query, which is not stored. */
const maxJoins = 3

export function createCache(options: CacheOptions) {
  const { maxBytes, ttl, openJournal, beforeLookup, runtime = systemRuntime } = options
  const replica = createReplica()
  const memory = createMemoryStore(maxBytes)
  const flights = createFlights<Outcome>()
  const totals = { hits: 0, misses: 0, bypasses: 0, invalidations: 0, staleReads: 0 }
  const journal = openJournal(replica, {
    onEntry(entry) {
      totals.invalidations += memory.deleteTouched(entry.change)
      // Last: an entry whose effect failed must not count as applied.
      replica.append(entry)
    },
    onReset(version) {
      replica.reset(version)
      memory.clear()
    },
  })
  const onHit = () => {
    totals.hits += 1
  }
  const lookup = createLookup({ journal, memory, runtime, beforeLookup, onHit })

  /** False: a write has touched it since, or the memory has no room for it. */
  const storeIfUnchanged = (entry: Entry, version: Version): boolean =>
    replica.isUnchangedSince(version, entry) && memory.set(entry)

  /**
   * The copy that the instances share. A damaged one is removed. One of another history than `since`, or
   * from before it, is not used. When it was made is not known, only when it expires: so its age counts
   * as what of the full TTL is gone, which is up to 10 % of the TTL too much (see `store`).
   */
  async function loadShared(key: string, since: Version): Promise<Entry | undefined> {
    const loaded = await journal.load(key)
    if (loaded === undefined || !isAtOrAfter(loaded.version, since)) return undefined
    const now = runtime.date()
    const expires = now + loaded.ttl
    try {
      const entry = unpack({ ...loaded, key, expires, made: Math.min(now, expires - ttl) })
      storeIfUnchanged(entry, loaded.version)
      return entry
    } catch {
      await journal.remove(key)
      return undefined
    }
  }

  /** Whether neither the query of another request nor the shared tier can have what is not in memory. */
  const needsQuery = (key: string): boolean => !flights.isRunning(key) && journal.state() !== 'ok'

  /**
   * Rules 3 and 7. For a request that found no local copy: resolves to the outcome of another request's
   * query, or makes this request the leader that runs the query. When the flights that it joined came to
   * nothing three times, it runs its own query and does not store. `clientGone` is aborted when its client
   * has gone: such a request joins no more, and its flight is abandoned.
   */
  async function join(
    wanted: CacheKey,
    { status }: LookupResult,
    clientGone?: AbortSignal,
  ): Promise<Outcome | Leader> {
    for (let attempt = 0; attempt < maxJoins && !clientGone?.aborted; attempt += 1) {
      const waited = flights.isRunning(wanted.key)
      const joined = await flights.join(wanted.key, clientGone)
      if ('lead' in joined) return lead(wanted, joined.lead, waited ? undefined : status)
      if (joined.outcome === undefined) continue
      totals[joined.outcome.hit ? 'hits' : 'misses'] += 1
      return joined.outcome
    }
    const abandoned = clientGone ?? new AbortController().signal
    const unshared = { outcome: Promise.resolve(undefined), settle: () => {}, abandoned }
    return { fill: { ...wanted, version: replica.version, bypass: true }, flight: unshared }
  }

  /**
   * A leader looks in memory again if it had to wait. Then it notes the version (rule 3), looks in the
   * shared tier, and becomes the one that queries the database. `seen` is what its own lookup found;
   * undefined if it had to wait since.
   */
  async function lead(
    wanted: CacheKey,
    flight: Flight<Outcome>,
    seen: LookupResult['status'] | undefined,
  ): Promise<Outcome | Leader> {
    try {
      const again = seen === undefined ? await lookup(wanted.key) : undefined
      const bypass = (again?.status ?? seen) === 'bypass'
      const fill = { ...wanted, version: replica.version, bypass }
      let entry = again?.status === 'hit' ? again.entry : undefined
      if (entry === undefined && !bypass) {
        entry = await loadShared(wanted.key, fill.version)
        if (entry !== undefined) {
          entry.hits += 1
          onHit()
        }
      }
      if (entry === undefined) return { fill, flight }
      flight.settle({ entry, hit: true })
      return { entry, hit: true }
    } catch (error) {
      flight.settle(undefined)
      throw error
    }
  }

  /**
   * Rule 3. Makes an entry of an answer, and stores it if no write has touched it since the version that
   * was noted before its query. `valid` is false if one has, or may have. The TTL counts from here and is
   * never renewed; it is up to 10 % shorter at random, so that answers of one moment do not expire in one.
   */
  async function store(
    fill: Fill,
    answer: Answer,
  ): Promise<{ entry: Entry; stored: boolean; valid: boolean }> {
    const lifetime = Math.round(ttl * (0.9 + 0.1 * runtime.random()))
    const { key, tags } = fill
    const { body, headers, etag = etagOf(body) } = answer
    const made = runtime.date()
    const fields = { key, tags, length: body.length, etag, headers, made }
    const entry = createEntry({ ...fields, expires: made + lifetime }, 'identity', body)
    if (fill.bypass) return { entry, stored: false, valid: false }
    const approval = await journal.store(fill, () => pack(entry, memory.resize), lifetime)
    if (approval === undefined) return { entry, stored: false, valid: false }
    const kept = storeIfUnchanged(entry, approval.version)
    return { entry, stored: kept || approval.shared, valid: true }
  }

  /**
   * Another answer with the tags of a fill, for the fill's own query to use. It is valid at the version of
   * the fill or at a later one. What is made of it is good only if `store` then finds the fill valid: a
   * write may have come between.
   */
  async function held(fill: Fill, key: string): Promise<Entry | undefined> {
    if (fill.bypass || replica.version.epoch !== fill.version.epoch) return undefined
    const entry = memory.peek(key)
    if (entry !== undefined && entry.expires > runtime.date()) return entry
    return loadShared(key, fill.version)
  }

  /**
   * Rule 6, the last step before a commit. If Redis cannot be asked for the mark, its age alone decides. A
   * mark that was never placed is not asked for: that write relies on the outbox.
   * @throws MarkLost when the mark is gone, or older than half its lease
   */
  async function confirm(mark: Mark): Promise<void> {
    if (!mark.placed) return
    if ((await journal.isMarked(mark)) === false) throw new MarkLost('the mark is gone')
    if (runtime.now() - mark.since > waits.lease / 2) throw new MarkLost('the mark is too old')
  }

  /** The answers held, local ones first, at most `limit` of each tier. */
  async function list(
    limit: number,
  ): Promise<(EntryInfo & { tier: 'memory' | 'redis'; hits?: number })[]> {
    // What a write of another instance made wrong goes now, not at the next lookup.
    await journal.sync(() => {})
    const now = runtime.date()
    const local = [...memory.values()].slice(0, limit).map((entry) => ({
      key: entry.key,
      tags: [...entry.tags],
      bytes: sizeOf(entry),
      age: Math.floor((now - entry.made) / 1000),
      ttl: Math.max(0, Math.floor((entry.expires - now) / 1000)),
      hits: entry.hits,
      tier: 'memory' as const,
    }))
    const shared = (await journal.list(limit)) ?? []
    const ageOf = (left: number) => Math.max(0, Math.floor(ttl / 1000) - left)
    return [
      ...local,
      ...shared.map((info) => ({ ...info, age: ageOf(info.ttl), tier: 'redis' as const })),
    ]
  }

  return {
    lookup,
    needsQuery,
    join,
    store,
    held,
    confirm,
    list,
    encode: (entry: Entry, coding: Coding) => encode(entry, coding, memory.resize),
    totals,
    memory,
    journal,
  }
}

export type Cache = ReturnType<typeof createCache>
