import type { Cluster, Redis } from 'ioredis'
import { coalesce } from './batches.ts'
import { createConnection } from './connection.ts'
import type { Journal, JournalEvents, Mark } from './journal.ts'
import {
  defineScripts,
  finishChange,
  parseEntry,
  parseVersion,
  prefixOf,
  slotNode,
  watchConnections,
} from './redis-commands.ts'
import type { Replica } from './replica.ts'
import { type Runtime, systemRuntime } from './runtime.ts'
import { type Change, formatChange } from './tags.ts'
import { waits } from './waits.ts'
import { TimeoutError, withTimeout } from './with-timeout.ts'

export interface RedisJournalOptions {
  client: Redis | Cluster
  hashTag: string
  replica: Replica
  events: JournalEvents
  /** The name of the data set whose answers these are. */
  dataset: () => Promise<string>
  /** Applies what is in the outbox; false when some of it could not be applied. */
  drain: () => Promise<boolean>
  log: { info: (message: string) => void; warn: (message: string) => void }
  runtime?: Runtime
}

/** Bytes of a packed answer up to which it is shared: a larger one would delay all other commands. */
const maxSharedBytes = 2_097_152

/** Whether a command failed since what is in Redis cannot be read. */
const isCorrupt = (error: unknown) =>
  /WRONGTYPE|user_script|Error running script/.test(String(error))

/** The journal of all instances that share a Redis: rules 3 to 6, and 8. */
export function createRedisJournal(options: RedisJournalOptions): Journal {
  const { client, hashTag, replica, events, dataset, drain, log } = options
  const { runtime = systemRuntime } = options
  const prefix = prefixOf(hashTag)
  const commands = defineScripts(client, prefix)
  const nodeOfSlot = slotNode(client, prefix)
  const timed = <T>(command: Promise<T>) => withTimeout(command, undefined, runtime, onReply)
  let lastClock = ''
  let server = ''
  let owner = ''
  let node: unknown
  /** When Redis last answered while the cache was out of use: an outage of now is younger. */
  let lastReply = -Infinity
  /** When the last of the commands that were answered since the attachment was sent. */
  let lastExchange = -Infinity
  /** When this process was last known to run. */
  let lastTick = runtime.now()

  const connection = createConnection({
    attach: (reset) =>
      attach(reset).catch((error) => {
        if (isCorrupt(error)) connection.lose(true)
        return false
      }),
    drain,
    settleDelay: waits.settle,
    retryDelay: waits.retry,
    runtime,
    onChange(open) {
      if (open) log.info('the cache is in use')
      else log.warn('redis is out of reach: the cache is not used')
    },
  })

  function onReply(): void {
    if (!connection.open) lastReply = runtime.now()
  }

  /** A process that stood still does not know how long Redis was silent: that counts from now on. */
  function tick(): void {
    const now = runtime.now()
    if (now - lastTick > 2 * waits.identify) lastReply = now
    lastTick = now
  }

  function lose(error?: unknown): void {
    connection.lose(isCorrupt(error))
  }

  /** Waits for a command; a failure takes the cache out of use and gives undefined. */
  async function attempt<T>(command: Promise<T>): Promise<T | undefined> {
    try {
      return await timed(command)
    } catch (error) {
      lose(error)
      return undefined
    }
  }

  /**
   * As `attempt`, for a command whose failure only makes a miss. A late reply may just be a large one, and
   * an error that matches `harmless` says nothing of the connection: neither takes the cache out of use.
   */
  async function optional<T>(command: Promise<T>, harmless: RegExp): Promise<T | undefined> {
    try {
      return await timed(command)
    } catch (error) {
      if (!(error instanceof TimeoutError) && !harmless.test(String(error))) lose(error)
      return undefined
    }
  }

  /**
   * As `attempt`, for a command whose answer shows that Redis has been there since the last one. After too
   * long a silence it shows nothing: the cache goes out of use as if Redis had been lost.
   */
  async function exchange<T>(command: () => Promise<T>): Promise<T | undefined> {
    const sent = runtime.now()
    if (sent - lastExchange > waits.trust) {
      lose()
      return undefined
    }
    const reply = await attempt(command())
    if (reply !== undefined && sent > lastExchange) lastExchange = sent
    return reply
  }

  // ---- Rule 4: every hit is checked.

  const syncByBatch = coalesce(
    () =>
      isCurrent().catch((error) => {
        lose(error)
        return false
      }),
    runtime,
  )

  async function isCurrent(): Promise<boolean> {
    if (!connection.open) return false
    const clock = await exchange(() => client.get(`${prefix}@clock`))
    if (clock === undefined || !connection.open) return false
    if (nodeOfSlot() !== node) {
      lose()
      return false
    }
    return clock === lastClock || ((await readEntries()) && connection.open)
  }

  /** Brings the replica to the end of the journal, or to the beginning of another epoch. */
  async function readEntries(): Promise<boolean> {
    const { epoch, position, token } = replica.version
    const reply = await attempt(commands.entriesSince(epoch, position, token || '-'))
    if (reply === undefined) return false
    const [clock, ...entries] = reply as string[]
    // No clock: Redis was flushed. Another owner: an epoch of a server or data set that is not ours.
    const foreign = entries[0] === 'reset' && entries[1] !== owner
    if (clock === undefined || foreign) {
      lose()
      return false
    }
    if (entries[0] === 'reset') events.onReset(parseVersion(clock))
    else if (!appendAll(entries)) {
      connection.lose(true)
      return false
    }
    lastClock = clock
    return true
  }

  /** False: an entry is damaged. */
  function appendAll(entries: string[]): boolean {
    try {
      for (const text of entries) {
        const entry = parseEntry(text)
        if (entry.position > replica.version.position) events.onEntry(entry)
      }
      return true
    } catch {
      return false
    }
  }

  // ---- Rule 5: epoch.

  /** Makes sure that clock, journal and this instance are of one history on the present server. */
  async function attach(reset: boolean): Promise<boolean> {
    if (client.status !== 'ready') return false
    const name = await dataset()
    // One in which no write can be marked says who it is too: for who waits for a mark that is no reply.
    const identity = reset
      ? withTimeout(commands.server(), undefined, runtime)
      : timed(commands.probe())
    server = (await identity) as string
    owner = `${server}/${name}`
    const epoch = runtime.token()
    const flag = reset ? 'reset' : ''
    const sent = runtime.now()
    const clock = await timed(commands.attach(epoch, owner, waits.barrier, flag))
    lastExchange = sent
    node = nodeOfSlot()
    return clock === lastClock || readEntries()
  }

  /**
   * Notices a failover behind a proxy, which breaks no connection and only changes the identity, an outage
   * that nobody else would notice, and a Redis in which no write could be marked.
   */
  async function identify(): Promise<void> {
    tick()
    if (!connection.attached) return
    const present = await exchange(() => commands.probe())
    if (present !== undefined && present !== server) lose()
  }

  watchConnections(client, () => connection.close())
  client.on('ready', onReply)
  const stopIdentifying = runtime.every(waits.identify, () => void identify())
  connection.start()

  // ---- Rule 6: marks.

  /** A write tries Redis even while the connection is not open: it may be the first to reach it again. */
  async function send(command: () => Promise<unknown>): Promise<unknown> {
    return client.status === 'ready' ? attempt(command()) : undefined
  }

  /**
   * A write that cannot be marked waits until every other instance must have noticed the outage. That
   * counts from the last reply, which may be later than the loss by this instance: others may have used the
   * cache until then. After the wait the outbox is enough. It is enough too where there is no epoch, which
   * nobody begins for so long.
   */
  async function mark(change: Change): Promise<Mark> {
    const id = runtime.token()
    const text = formatChange(change)
    const began = runtime.now()
    for (;;) {
      const since = runtime.now()
      const reply = await send(() => commands.mark(id, text, waits.lease, runtime.token()))
      const placed = reply === 1
      // No clock: Redis was flushed and nobody has noticed. The mark waits for the new epoch.
      if (reply === null && connection.open) lose()
      tick()
      // There was no epoch when it was asked; a reply that is read late says nothing of now.
      const waited =
        reply === null ? since - began : runtime.now() - Math.max(connection.lostAt, lastReply)
      if (placed || waited >= waits.unmarked) return { id, change, placed, since }
      await runtime.sleep(waits.retryMark)
    }
  }

  const finish = (change: Change, mark: string | null) =>
    finishChange(send, commands, change, mark, runtime.token())

  return {
    sync: (then) => (connection.open ? syncByBatch(then) : then(false)),
    finish,
    apply: finish,
    mark,
    async isMarked({ id }) {
      const marked = await attempt(commands.isMarked(id))
      return marked === undefined ? undefined : marked === 1
    },

    // ---- Rule 3: versions are noted before the database is read.

    async store({ key, tags, version }, packed, ttl) {
      if (!connection.open) return undefined
      const { meta, bytes } = await packed()
      const { epoch, position, token } = version
      const shared = bytes.length <= maxSharedBytes
      const body = shared ? bytes : ''
      const [tagList, description] = [JSON.stringify(tags), JSON.stringify(meta)]
      const noted = [epoch, position, token] as const
      const stored = commands.store(key, tagList, ...noted, ttl, description, body)
      const clock = await optional(stored, /OOM|WRONGTYPE/)
      if (!connection.open || typeof clock !== 'string') return undefined
      return { version: parseVersion(clock), shared }
    },
    async load(key) {
      if (!connection.open) return undefined
      const reply = await optional(commands.loadBuffer(key), /OOM/)
      if (!reply || !connection.open) return undefined
      const [clock, meta, bytes, ttl] = reply as [Buffer, Buffer, Buffer, number]
      return { version: parseVersion(clock.toString()), meta: meta.toString(), bytes, ttl }
    },

    async list(limit) {
      const flat = (await optional(commands.list(limit), /WRONGTYPE/)) as
        | (string | number)[]
        | undefined
      if (flat === undefined) return undefined
      return Array.from({ length: flat.length / 4 }, (_, row) => {
        const [key, path, bytes, ttl] = flat.slice(row * 4, row * 4 + 4)
        return {
          key: String(key),
          tags: String(path).split(','),
          bytes: Number(bytes),
          ttl: Math.floor(Number(ttl) / 1000),
        }
      })
    },
    async remove(key) {
      await optional(client.unlink(prefix + key), /OOM/)
    },
    state: () => (connection.open ? 'ok' : 'unavailable'),
    async close() {
      stopIdentifying()
      connection.stop()
    },
  }
}
