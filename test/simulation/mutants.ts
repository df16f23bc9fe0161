import type { createConnection } from '../../plugins/cache/connection.ts'
import type { Journal } from '../../plugins/cache/journal.ts'
import type { createMemoryStore } from '../../plugins/cache/memory-store.ts'
import type { createRedisJournal } from '../../plugins/cache/redis-journal.ts'
import type { createRelay } from '../../plugins/cache/relay.ts'
import type { scripts as Scripts } from '../../plugins/cache/scripts.ts'
import type { Outbox } from '../../plugins/cache/write.ts'
import { mutants as known, type Mutant, type Wrapper } from '../coherence/mutants.ts'
import type { FaultKind } from './plan.ts'

type RedisJournalOptions = Parameters<typeof createRedisJournal>[0]

/** A line of a script, another one in its place. */
const script = (name: keyof typeof Scripts, find: string, replace: string): Wrapper => ({
  module: 'plugins/cache/scripts.ts',
  name: 'scripts',
  wrap: (original: typeof Scripts) => {
    if (original[name].split(find).length !== 2) throw new Error(`"${find}" is not once in ${name}`)
    return { ...original, [name]: original[name].replace(find, () => replace) }
  },
})

const journal = (
  wrap: (made: Journal, options: RedisJournalOptions) => Partial<Journal>,
): Wrapper => ({
  module: 'plugins/cache/redis-journal.ts',
  name: 'createRedisJournal',
  wrap:
    (original: typeof createRedisJournal): typeof createRedisJournal =>
    (options) => {
      const made = original(options)
      return { ...made, ...wrap(made, options) }
    },
})

type ConnectionOptions = Parameters<typeof createConnection>[0]

const connection = (
  change: (options: ConnectionOptions) => Partial<ConnectionOptions>,
): Wrapper => ({
  module: 'plugins/cache/connection.ts',
  name: 'createConnection',
  wrap:
    (original: typeof createConnection): typeof createConnection =>
    (options) =>
      original({ ...options, ...change(options) }),
})

const relay = (
  change: (outbox: Pick<Outbox, 'read' | 'remove'>) => Pick<Outbox, 'read' | 'remove'>,
): Wrapper => ({
  module: 'plugins/cache/relay.ts',
  name: 'createRelay',
  wrap:
    (original: typeof createRelay): typeof createRelay =>
    (options) =>
      original({ ...options, outbox: change(options.outbox) }),
})

const subtle: Record<string, Wrapper> = {
  'a new epoch stores at once': script('attach', "'PX', ARGV[3]", "'PX', 1"),
  'an epoch outlives its server': script(
    'attach',
    "if text and redis.call('GET', P .. '@server') == ARGV[2] then",
    'if text then',
  ),
  'a mark has no entry': script('mark', 'append(ARGV[2], ARGV[4])', ''),
  'a mark is removed and no entry appended': script('finish', 'append(ARGV[2], ARGV[3])', ''),
  'open marks do not keep from storing': script(
    'store',
    'elseif touches(decode(change), ARGV[1], tags) then',
    'elseif false then',
  ),
  'the end of a lease is compared the wrong way round': script(
    'store',
    'if tonumber(expiry) <= now then',
    'if tonumber(expiry) > now then',
  ),
  'the first entry after the noted version is not judged': script(
    'store',
    'untouched_since(from, ARGV[1], tags)',
    'untouched_since(math.min(from + 1, position), ARGV[1], tags)',
  ),
  'a shared copy is not judged': script(
    'load',
    'or not untouched_since(at, ARGV[1], tags) then',
    'then',
  ),
  'a shared copy of another epoch is used': script('load', 'or held[1] ~= epoch then', 'then'),
  'a lost mark is not asked for': journal(() => ({ isMarked: async () => true })),
  'a write that cannot be marked does not wait': journal(({ mark }, { client }) => ({
    mark: async (change) =>
      client.status === 'ready' ? mark(change) : { id: 'none', change, placed: false, since: 0 },
  })),
  'a failed finish drops its outbox row': journal(({ finish }) => ({
    finish: async (change, mark) => {
      await finish(change, mark)
      return true
    },
  })),
  'the server is not asked who it is': {
    module: 'plugins/cache/redis-journal.ts',
    name: 'createRedisJournal',
    wrap:
      (original: typeof createRedisJournal): typeof createRedisJournal =>
      (options) =>
        original({ ...options, runtime: { ...options.runtime!, every: () => () => {} } }),
  },
  'use begins without waiting for the others': connection(() => ({ settleDelay: 0 })),
  'use begins at once, without the outbox': connection(() => ({
    settleDelay: 0,
    drain: async () => true,
  })),
  'the outbox is emptied before it is applied': relay((outbox) => ({
    ...outbox,
    async read() {
      const rows = await outbox.read()
      await outbox.remove(rows.map(({ id }) => id))
      return rows
    },
  })),
  'an entry removes nothing from memory': {
    module: 'plugins/cache/memory-store.ts',
    name: 'createMemoryStore',
    wrap:
      (original: typeof createMemoryStore): typeof createMemoryStore =>
      (maxBytes) =>
        Object.assign(original(maxBytes), { deleteTouched: () => 0 }),
  },
  'a write removes every answer': journal(({ finish }) => ({
    finish: (_change, mark) => finish('*', mark),
  })),
}

/** The faults that bring a broken build to light soonest, where any at all would take long. */
export const revealing: Record<string, readonly FaultKind[]> = {
  'a new epoch stores at once': ['redis flushed'],
  'a lost mark is not asked for': ['redis flushed'],
  'an epoch outlives its server': ['redis restarted from a snapshot', 'redis failed over'],
  'the server is not asked who it is': ['redis failed over behind a proxy'],
  'use begins without waiting for the others': ['redis paused'],
  'use begins at once, without the outbox': ['redis paused'],
  'a failed finish drops its outbox row': ['redis paused', 'a link refused'],
  'the outbox is emptied before it is applied': ['an instance crashed', 'redis paused'],
}

/** Every broken build: those of the checker, and subtler ones that only the simulation can hope to tell. */
export const mutants: Record<string, Mutant> = {
  ...known,
  ...Object.fromEntries(
    Object.entries(subtle).map(([name, wrapper]) => [name, { wrappers: [wrapper] }]),
  ),
}
