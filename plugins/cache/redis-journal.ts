import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import { inTime, Late } from '../in-time.ts'
import { createBreaker } from './breaker.ts'
import { shareReads } from './checks.ts'
import { type Journal, type JournalEvents, type Mark, randomToken } from './journal.ts'
import type { Change } from './keys.ts'
import { markLease } from './protocol.ts'
import {
  clockKey,
  defineScripts,
  finishBy,
  parseEntry,
  parseVersion,
  prefix,
  slotOwner,
  textOf,
  watchConnections,
} from './redis-commands.ts'
import type { Replica } from './replica.ts'

export interface RedisJournalOptions {
  client: Redis | Cluster
  replica: Replica
  events: JournalEvents
  /** The name of the database whose answers these are. */
  name: () => Promise<string>
  /** Applies what is left in the outbox; false when it could not. */
  drain: () => Promise<boolean>
  log: { info: (message: string) => void; warn: (message: string) => void }
  /**
   * Milliseconds for which a cache that was lost is not used again: other instances may need as long
   * to notice that Redis is back, and their writes until then are in the outbox alone.
   */
  holdOff: number
}

/** How often a lost Redis is tried again, and how often the server's identity is asked, in ms. */
const retryEvery = 250
const identifyEvery = 1000

/** Bytes of a packed answer up to which it is shared: a larger one would hold up everybody else's. */
const largestShared = 2_097_152

/** How often a write tries again to place its mark, in milliseconds. */
const markEvery = 25

/** The journal of all instances that share a Redis: rules 3 to 6, and 8. */
export function createRedisJournal(options: RedisJournalOptions): Journal {
  const { client, replica, events, name, drain, log, holdOff } = options
  const run = defineScripts(client)
  let known = ''
  let server = ''
  let identity = ''
  let owner: unknown
  let lostBefore = false
  let lostAt = performance.now()
  let distrust = false

  const breaker = createBreaker({
    recover,
    every: retryEvery,
    onChange(closed) {
      if (closed) log.info('the cache is in use')
      else log.warn('redis is out of reach: the cache is not used')
    },
  })

  function lost(error?: unknown): void {
    // State that the scripts cannot read is not to be trusted: the next epoch begins without it.
    if (/WRONGTYPE|user_script|Error running script/.test(String(error))) distrust = true
    lostBefore = true
    if (breaker.closed) lostAt = performance.now()
    breaker.trip()
  }

  /** Runs a command; a failure opens the breaker and gives undefined. */
  async function attempt<T>(command: Promise<T>): Promise<T | undefined> {
    try {
      return await inTime(command)
    } catch (error) {
      lost(error)
      return undefined
    }
  }

  // ---- Rule 4: every hit is checked.

  const check = shareReads(() =>
    readClock().catch((error) => {
      lost(error)
      return false
    }),
  )

  async function readClock(): Promise<boolean> {
    if (!breaker.closed) return false
    const clock = await attempt(client.get(clockKey))
    if (clock === undefined || !breaker.closed) return false
    if (slotOwner(client) !== owner) {
      lost()
      return false
    }
    return clock === known || ((await synchronise()) && breaker.closed)
  }

  /** Brings the replica to the end of the journal, or to a new beginning. */
  async function synchronise(): Promise<boolean> {
    const { epoch, position, token } = replica.version
    const answer = (await attempt(run.since(epoch, position, token || '-'))) as string[] | undefined
    if (answer === undefined) return false
    const [clock, ...entries] = answer
    if (clock === undefined) {
      // Flushed: whoever notices begins a new epoch (rule 5).
      lost()
      return false
    }
    if (entries[0] === 'reset') {
      if (entries[1] !== identity) {
        // Somebody has begun an epoch on a server, or for a database, that we do not know of.
        lost()
        return false
      }
      events.onReset(parseVersion(clock))
    } else {
      for (const text of entries) {
        const entry = parseEntry(text)
        if (entry.position > replica.version.position) events.onEntry(entry)
      }
    }
    known = clock
    return true
  }

  // ---- Rule 5: epoch.

  /** Makes sure that clock, journal and this instance are of one history on the present server. */
  async function attach(): Promise<boolean> {
    if (client.status !== 'ready') return false
    const database = await name()
    server = (await inTime(run.server())) as string
    identity = `${server}/${database}`
    const force = distrust ? 'force' : ''
    const begun = run.found(randomToken(), identity, Math.max(holdOff, 1), force)
    const clock = (await inTime(begun)) as string
    distrust = false
    owner = slotOwner(client)
    return clock === known || synchronise()
  }

  /** A failover behind a proxy breaks no connection: the server's own name tells. */
  async function identify(): Promise<void> {
    if (!breaker.closed) return
    const present = await attempt(run.server())
    if (present !== undefined && present !== server) lost()
  }

  // ---- Rule 8: slower, never wrong.

  async function recover(signal: AbortSignal): Promise<boolean> {
    lostBefore ||= performance.now() - lostAt > holdOff
    if (!(await attach()) || !(await drain())) return false
    if (!lostBefore) return true
    await sleep(holdOff, undefined, { signal })
    return (await attach()) && (await drain())
  }

  watchConnections(client, () => {
    if (known !== '') lost()
    else breaker.trip()
  })
  const timer = setInterval(identify, identifyEvery)
  timer.unref()
  breaker.start()

  // ---- Rule 6: marks.

  /** A write tries Redis even while the breaker is open: it may be the first to reach it again. */
  async function tell(command: () => Promise<unknown>): Promise<unknown> {
    return client.status === 'ready' ? attempt(command()) : undefined
  }

  /**
   * A write that cannot be marked waits while the loss is young, until every instance that has lost
   * Redis too must have noticed. Only then is the outbox enough.
   */
  async function mark(change: Change): Promise<Mark> {
    const id = randomToken()
    for (;;) {
      const since = performance.now()
      const answer = await tell(() => run.mark(id, textOf(change), markLease, randomToken()))
      const placed = answer === 1
      const patient = performance.now() - lostAt < holdOff + identifyEvery
      if (placed || !patient) return { id, change, placed, since }
      await sleep(markEvery)
    }
  }

  async function finish(change: Change, mark: string | null): Promise<boolean> {
    return finishBy(tell, run, change, mark)
  }

  return {
    catchUp: (use) => (breaker.closed ? check(use) : use(false)),
    finish,
    relay: finish,
    mark,
    async holds({ id }) {
      const held = await attempt(run.holds(id))
      return held === undefined ? undefined : held === 1
    },

    // ---- Rule 3: versions are read before the database is.

    async store({ key, dimensions, version }, packed, ttl) {
      if (!breaker.closed) return undefined
      const { meta, bytes } = await packed()
      const { epoch, position } = version
      const text = JSON.stringify(meta)
      const at = JSON.stringify(dimensions)
      const shared = bytes.length <= largestShared
      const body = shared ? bytes : ''
      const stored = run.store(key, at, epoch, position, ttl, text, body)
      const clock = await inTime(stored).catch(unless(/OOM|WRONGTYPE/))
      if (!breaker.closed || typeof clock !== 'string') return undefined
      return { version: parseVersion(clock), shared }
    },
    async load(key) {
      if (!breaker.closed) return undefined
      const answer = (await inTime(run.loadBuffer(key)).catch(unless(/OOM/))) as
        | [Buffer, Buffer, Buffer, number]
        | null
        | undefined
      if (!answer || !breaker.closed) return undefined
      const [clock, meta, bytes, ttl] = answer
      return { version: parseVersion(clock.toString()), meta: meta.toString(), bytes, ttl }
    },

    async list(limit) {
      const listed = inTime(run.list(limit)).catch(unless(/WRONGTYPE/))
      const flat = (await listed) as (string | number)[] | undefined
      if (flat === undefined) return undefined
      return Array.from({ length: flat.length / 4 }, (_, row) => {
        const [key, path, bytes, ttl] = flat.slice(row * 4)
        return {
          key: String(key),
          tags: String(path).split(','),
          bytes: Number(bytes),
          ttl: Math.floor(Number(ttl) / 1000),
        }
      })
    },
    async remove(key) {
      await inTime(client.unlink(prefix + key)).catch(unless(/OOM/))
    },
    state: () => (breaker.closed ? 'ok' : 'unavailable'),
    async close() {
      clearInterval(timer)
      breaker.stop()
    },
  }

  /** Loses the cache over an error, unless it only makes a miss: a late answer may just be a large one. */
  function unless(harmless: RegExp) {
    return (error: Error): undefined => {
      if (!(error instanceof Late) && !harmless.test(error.message)) lost(error)
    }
  }
}
