import { LRUCache } from 'lru-cache'
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
import type { Fill, Journal, JournalEvents, Listed, Mark } from './journal.ts'
import type { CacheKey } from './keys.ts'
import { createReplica, follows, type Replica, type Version } from './replica.ts'
import { dimensionTree } from './tree.ts'

/*
 * The coherent cache. Its promise: whatever it answers, the database could have answered at some
 * moment between the request's arrival and the answer. The nine rules by which it keeps that promise
 * are in docs/cache.md; here they stand in their order, without HTTP.
 *
 *   1 canonical keys              keys.ts      canonicalKey
 *   2 tags, any-of                keys.ts      dimensionsOf, imageOf, touches
 *   3 versions before the read    protocol.ts  begin, store
 *   4 every hit is checked        protocol.ts  look; checks.ts; redis-journal.ts readClock
 *   5 epoch                       replica.ts   Version; redis-journal.ts attach
 *   6 marks, leases, outbox       write.ts; protocol.ts confirm; relay.ts
 *   7 one query a key             flights.ts
 *   8 slower, never wrong         breaker.ts
 *   9 no Redis                    journal.ts   createLocalJournal
 */

export interface CacheOptions {
  /** Bound on the memory of local copies, in bytes. */
  maxBytes: number
  /** Milliseconds that an answer is kept at the most: a safety net, never the means of freshness. */
  ttl: number
  openJournal: (replica: Replica, events: JournalEvents) => Journal
  /** Told of each request that is about to use the cache, and says whether it may. */
  wake: () => true | Promise<boolean>
}

/** What came of looking for an answer. */
export type Look = { status: 'hit'; entry: Entry } | { status: 'miss' | 'bypass' }

/** What a flight lands with: an answer, and whether the cache had it. */
export interface Landing {
  entry: Entry
  hit: boolean
}

/** A request that has to send the query of its key, for itself and all who wait for it. */
export interface Leading {
  fill: Fill
  flight: Flight<Landing>
}

/** How long a mark stands without being finished, in milliseconds. */
export const markLease = 10_000

/** A write's mark had grown too old to commit under, or was lost with Redis: begin again. */
export class MarkLost extends Error {}

const alone: Flight<Landing> = { outcome: Promise.resolve(undefined), land: () => {} }

export function createCache({ maxBytes, ttl, openJournal, wake }: CacheOptions) {
  const tree = dimensionTree()
  const replica = createReplica()
  const flights = createFlights<Landing>()
  const totals = { hits: 0, misses: 0, bypasses: 0, invalidations: 0, staleReads: 0 }
  const memory = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
    dispose: (entry, key) => tree.remove(key, entry.dimensions),
    noDisposeOnSet: true,
  })
  const journal = openJournal(replica, {
    onEntry(entry) {
      for (const key of tree.touchedBy(entry.change)) {
        if (memory.delete(key)) totals.invalidations += 1
      }
      // Last, so that an entry whose effect failed is not taken for one applied.
      replica.append(entry)
    },
    onReset(version) {
      replica.reset(version)
      memory.clear()
      tree.clear()
    },
  })

  /** A local copy stands by the replica's version: a write that touches it has removed it. */
  function local(key: string): Entry | undefined {
    const entry = memory.get(key)
    if (entry === undefined) return undefined
    if (entry.expires > Date.now()) return entry
    memory.delete(key)
    return undefined
  }

  /** `false`: a write has touched it meanwhile, or the memory has no room for it. */
  function keep(entry: Entry, version: Version): boolean {
    return replica.unchangedSince(version, entry) && put(entry)
  }

  function put(entry: Entry): boolean {
    memory.set(entry.key, entry)
    const held = memory.has(entry.key)
    if (held) tree.add(entry.key, entry.dimensions)
    return held
  }

  /** An encoding made later makes the entry larger: the memory's account follows. */
  function grown(entry: Entry): void {
    if (memory.peek(entry.key) !== entry) return
    // A value set in its own place is not measured again.
    memory.delete(entry.key)
    put(entry)
  }

  function hit(entry: Entry): Look {
    entry.hits += 1
    totals.hits += 1
    return { status: 'hit', entry }
  }

  /**
   * Rule 4. Every hit is checked: the replica is brought up to a moment after this call before a copy
   * may be used. Answers at once where the journal does.
   */
  function look(key: string): Look | Promise<Look> {
    const lookNow = (current: boolean): Look => {
      if (!current) return { status: 'bypass' }
      const entry = local(key)
      return entry === undefined ? { status: 'miss' } : hit(entry)
    }
    const awake = wake()
    if (awake === true) return journal.catchUp(lookNow)
    return awake.then((may) => (may ? journal.catchUp(lookNow) : lookNow(false)))
  }

  /**
   * The copy that the instances share; a damaged one is removed, and one of another history than
   * `since`, or from before it, is not used.
   */
  async function loadShared(key: string, since: Version): Promise<Entry | undefined> {
    const loaded = await journal.load(key)
    if (loaded === undefined || !follows(loaded.version, since)) return undefined
    const expires = Date.now() + loaded.ttl
    try {
      const entry = unpack({
        ...loaded,
        key,
        expires,
        made: Math.min(Date.now(), expires - ttl),
      })
      keep(entry, loaded.version)
      hit(entry)
      return entry
    } catch {
      await journal.remove(key)
      return undefined
    }
  }

  /**
   * Rules 3 and 7. For a request that found no local copy: it leads the one query of its key, or lands
   * with what another leads. A leader looks in memory again if it had to wait, and in the shared tier,
   * before it goes to the database. After leaders that came back with nothing it goes on alone.
   */
  async function begin(wanted: CacheKey, { status }: Look): Promise<Landing | Leading> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const mustWait = flights.busy(wanted.key)
      const joined = await flights.join(wanted.key)
      if ('lead' in joined) return lead(wanted, joined.lead, mustWait ? undefined : status)
      if (joined.landed === undefined) continue
      totals[joined.landed.hit ? 'hits' : 'misses'] += 1
      return joined.landed
    }
    return { fill: { ...wanted, version: replica.version, bypass: true }, flight: alone }
  }

  async function lead(
    wanted: CacheKey,
    flight: Flight<Landing>,
    seen: Look['status'] | undefined,
  ): Promise<Landing | Leading> {
    try {
      const again = seen === undefined ? await look(wanted.key) : undefined
      const bypass = (again?.status ?? seen) === 'bypass'
      const fill = { ...wanted, version: replica.version, bypass }
      const entry =
        again?.status === 'hit'
          ? again.entry
          : bypass
            ? undefined
            : await loadShared(wanted.key, fill.version)
      if (entry === undefined) return { fill, flight }
      flight.land({ entry, hit: true })
      return { entry, hit: true }
    } catch (error) {
      flight.land(undefined)
      throw error
    }
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
    const lifetime = Math.round(ttl * (0.9 + 0.1 * Math.random()))
    const { body, headers } = answer
    const etag = etagOf(body)
    const fields = { key, dimensions, length: body.length, etag, headers }
    const entry = createEntry({ ...fields, made, expires: made + lifetime }, 'identity', body)
    if (fill.bypass) {
      totals.bypasses += 1
      return { entry, stored: false }
    }
    totals.misses += 1
    const approved = await journal.store(fill, () => pack(entry, grown), lifetime)
    if (approved === undefined) return { entry, stored: false }
    const kept = keep(entry, approved.version)
    return { entry, stored: kept || approved.shared }
  }

  /**
   * Rule 6, the last step before a commit. A mark that cannot be asked for stands for its lease.
   * @throws MarkLost when the mark is older than half its lease, or gone
   */
  async function confirm(mark: Mark): Promise<void> {
    if (!mark.placed) return
    if ((await journal.holds(mark)) === false) throw new MarkLost('the mark is gone')
    if (performance.now() - mark.since > markLease / 2) throw new MarkLost('the mark is too old')
  }

  /** The answers held, local ones first, at most `limit` of each tier. */
  async function list(limit: number): Promise<(Listed & { tier: 'memory' | 'redis' })[]> {
    const now = Date.now()
    const locals = [...memory.values()].slice(0, limit)
    const held = locals.map((entry) => ({
      key: entry.key,
      tags: [...entry.dimensions],
      bytes: sizeOf(entry),
      age: Math.floor((now - entry.made) / 1000),
      ttl: Math.max(0, Math.floor((entry.expires - now) / 1000)),
      hits: entry.hits,
      tier: 'memory' as const,
    }))
    const there = (await journal.list(limit)) ?? []
    const age = (left: number) => Math.max(0, Math.floor(ttl / 1000) - left)
    return [...held, ...there.map((one) => ({ ...one, age: age(one.ttl), tier: 'redis' as const }))]
  }

  return {
    look,
    begin,
    store,
    confirm,
    list,
    encode: (entry: Entry, coding: Coding) => encode(entry, coding, grown),
    totals,
    memory,
    journal,
  }
}

export type Cache = ReturnType<typeof createCache>
