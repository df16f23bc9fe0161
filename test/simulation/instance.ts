import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Entry } from '../../plugins/cache/entry.ts'
import { createHooks, type HookOptions } from '../../plugins/cache/hooks.ts'
import type { Journal, Mark } from '../../plugins/cache/journal.ts'
import { createLocalJournal } from '../../plugins/cache/local-journal.ts'
import { createCache } from '../../plugins/cache/protocol.ts'
import { createRedisJournal } from '../../plugins/cache/redis-journal.ts'
import { createRelay, type Relay } from '../../plugins/cache/relay.ts'
import { type CachedRoute, prepareRoute } from '../../plugins/cache/route.ts'
import { commit, finish, type WriteStore } from '../../plugins/cache/write.ts'
import type { Database, Row, Transaction } from './database.ts'
import { createRedisClient, type Link } from './redis-client.ts'
import type { RedisServer } from './redis-server.ts'
import type { Process, World } from './world.ts'

/** As the plugin has it (plugins/cache/index.ts). */
const relayInterval = 1000

const ttl = 3_600_000

/** The keys of the world: all rows, those of a type, one row. */
export const keys = ['all', 'type=A', 'type=B', 'id=1', 'id=2', 'id=3']

export const tagsOfKey = (key: string): string[] =>
  key === 'all' ? ['all'] : [key.replace('=', ':')]

const tagsOfRow = ({ id, type }: Row): string[] => ['all', `id:${id}`, `type:${type}`]

const matches = (key: string, { id, type }: Row): boolean =>
  key === 'all' || key === `type=${type}` || key === `id=${id}`

const rowsOf = (key: string, rows: ReadonlyMap<number, Row>): Row[] =>
  [...rows.values()].filter((row) => matches(key, row)).sort((a, b) => a.id - b.id)

/** What the API answers for a key: the rows, and their number, which is an answer of its own. */
export function answerOf(key: string, rows: ReadonlyMap<number, Row>): string {
  const found = rowsOf(key, rows)
  return bodyOf(found, found.length)
}

const bodyOf = (rows: Row[], count: number, form = '') =>
  form + JSON.stringify({ rows: rows.map(({ id, stamp }) => [id, stamp]), count })

/** How a read came about: what `Cache-Status` says. */
export interface ReadResult {
  body: string
  status: string
}

export interface InstanceOptions {
  world: World
  database: Database
  /** None: the local journal (rule 9). */
  redis?: { server: RedisServer; link: Link } | undefined
  process: Process
  maxBytes: number
  /** The number of rows is an answer of its own, which a query may use. */
  counts: boolean
  /** It is of a version that packs answers in another form. */
  olderForm: boolean
}

/** One instance of the service: the cache's own code around simulated parts. */
export function createInstance(options: InstanceOptions) {
  const { world, database, redis, process, maxBytes, counts, olderForm } = options
  const runtime = world.runtimeOf(process)
  const log = {
    info: (message: string) => world.trace(process.name, message),
    warn: (message: string) => world.trace(process.name, message),
  }
  const client = redis && createRedisClient(world, redis.server, process, redis.link)
  const store: WriteStore<Transaction> = {
    outbox: {
      insert: (trx, change, mark) => database.insertOutbox(trx, change, mark),
      read: () => database.readOutbox(process),
      remove: (ids) => database.removeOutbox(process, ids),
      removeByMark: (mark) => database.removeByMark(process, mark),
    },
    transaction: (work) => database.transaction(process, 0, work),
  }
  const cache = createCache({
    maxBytes,
    ttl,
    runtime,
    openJournal: (replica, events) =>
      client === undefined
        ? createLocalJournal(replica, events, () => database.foreignVersion(process), runtime)
        : asVersion(
            olderForm,
            createRedisJournal({
              ...{ client, hashTag: 't', replica, events, log, runtime },
              dataset: () => database.name(process),
              drain: () => relay.drain(),
            }),
          ),
    beforeLookup: () => relay.beforeLookup(),
  })
  const relay: Relay = createRelay({
    outbox: store.outbox as never,
    journal: cache.journal,
    interval: relayInterval,
    runtime,
    onError: (error) => world.trace(process.name, `the outbox: ${error}`),
  })
  relay.start()

  const route = prepareRoute({
    vary: { accept: (field) => (field === 'csv' ? 'csv' : '') },
    key: ({ params }) => {
      const { key } = params as { key: string }
      return { key, tags: tagsOfKey(key) }
    },
    async read({ params, vary }, { held }) {
      const { key } = params as { key: string }
      const count = counts ? await held(`count:${key}`) : undefined
      const rows = await database.query(process, `select ${key}`, (all) => rowsOf(key, all))
      const body = bodyOf(rows, Number(count ?? rows.length), vary.accept)
      if (count !== undefined || !counts) return { body }
      return { body, also: { [`count:${key}`]: String(rows.length) } }
    },
  } satisfies CachedRoute<unknown, unknown, 'accept'> as unknown as CachedRoute)

  const http = {
    name: 'sim',
    sendEntry(request: FastifyRequest, _reply: FastifyReply, entry: Entry, status: string) {
      const { bytes } = cache.encode(entry, 'identity') as { bytes: Buffer }
      ;(request as SimulatedRequest).answer({ body: bytes.toString(), status })
    },
    setHeaders(reply: FastifyReply, _fields: unknown, status: string) {
      Object.assign(reply, { status })
    },
    cacheStatus: (_entry: unknown, status: string) => status,
    sharedHeaders: () => [],
  }
  const hooks = createHooks({
    cache,
    http: http as unknown as HookOptions['http'],
    route,
    // Its requests come one by one.
    turn: () => undefined,
  })

  /** One request, through the hooks in the order in which Fastify would call them. */
  function read(key: string, form?: string): Promise<ReadResult> {
    return new Promise((answer, fail) => {
      const headers = { accept: form }
      const known = { params: { key }, query: {}, headers, raw: { url: `/${key}` } }
      const request = { ...known, cacheLookup: null, cacheFill: null, answer } as never
      const reply = { statusCode: 200, raw: { once() {} }, hasHeader: () => false, status: '' }
      Object.assign(reply, { header: () => reply })
      hooks.lookupByUrl(request, reply as never, () => {
        handle(request, reply as never).then((made) => made && answer(made), fail)
      })
    })
  }

  async function handle(
    request: FastifyRequest,
    reply: FastifyReply & { status: string },
  ): Promise<ReadResult | undefined> {
    await hooks.lookupByKey(request, reply)
    const fill = request.cacheFill
    if (fill === null) return undefined
    try {
      fill.answer = await fill.read()
      const body = await hooks.populate(request, reply, fill.answer.body)
      return { body: String(body), status: reply.status }
    } finally {
      hooks.release(request, reply, () => {})
    }
  }

  /** A write as a route makes it: `commit`, `finish`, and then its answer. */
  async function write({ write, id, make, report }: RowWrite): Promise<void> {
    const transaction = <T>(work: (trx: Transaction) => Promise<T>) =>
      database.transaction(process, write, work)
    const confirm = (mark: Mark) => {
      report.placed = mark.placed
      return cache.confirm(mark)
    }
    const reporting = { ...cache, confirm }
    const committed = await commit({ ...store, transaction }, reporting, async (trx) => {
      const { before, after } = await database.change(trx, id, make)
      const images = [before, after].filter((row) => row != null).map(tagsOfRow)
      return { result: undefined, change: images }
    })
    report.finished = await finish(store, cache, committed)
  }

  return { process, cache, relay, read, write, client }
}

/** The journal of an instance for which the present form of a packed answer is another, and the other way round. */
function asVersion(older: boolean, journal: Journal): Journal {
  if (!older) return journal
  const present = 3
  const swap = (form: number) => (form === present ? present - 1 : present)
  return {
    ...journal,
    store: (fill, packed, ttl) =>
      journal.store(
        fill,
        async () => {
          const { meta, bytes } = await packed()
          return { meta: { ...meta, form: swap(meta.form) }, bytes }
        },
        ttl,
      ),
    async load(key) {
      const loaded = await journal.load(key)
      if (loaded === undefined) return undefined
      const form = (digit: string) => `"form":${swap(Number(digit))}`
      return { ...loaded, meta: loaded.meta.replace(/"form":(\d)/, (_all, digit) => form(digit)) }
    },
  }
}

/** Whether its writer knows the mark to be there, and whether it has finished. */
export interface WriteReport {
  placed?: boolean
  finished?: boolean
}

/** A write of one row, and what becomes of it. */
export interface RowWrite {
  write: number
  id: number
  make: (row: Row | undefined) => Row | null
  report: WriteReport
}

type SimulatedRequest = FastifyRequest & { answer: (result: ReadResult) => void }

export type Instance = ReturnType<typeof createInstance>
