import type { createConnection } from '../../plugins/cache/connection.ts'
import type { createMemoryStore } from '../../plugins/cache/memory-store.ts'
import type { createRedisJournal } from '../../plugins/cache/redis-journal.ts'
import type { createRelay } from '../../plugins/cache/relay.ts'
import type { scripts as Scripts } from '../../plugins/cache/scripts.ts'
import type { waits as Waits } from '../../plugins/cache/waits.ts'
import { mutants as known, type Mutant } from '../coherence/mutants.ts'
import { type Wrapper, wrapJournal, wrapMade, wrapOptions } from '../coherence/wrappers.ts'
import type { FaultKind } from './operation.ts'

/** A line of a script, another one in its place. */
const script = (name: keyof typeof Scripts, find: string, replace: string): Wrapper => ({
  module: 'plugins/cache/scripts.ts',
  name: 'scripts',
  wrap: (original: typeof Scripts) => {
    if (original[name].split(find).length !== 2) throw new Error(`"${find}" is not once in ${name}`)
    return { ...original, [name]: original[name].replace(find, () => replace) }
  },
})

const connection = wrapOptions<typeof createConnection>(
  'plugins/cache/connection.ts',
  'createConnection',
)

const relay = wrapOptions<typeof createRelay>('plugins/cache/relay.ts', 'createRelay')

const journalOptions = wrapOptions<typeof createRedisJournal>(
  'plugins/cache/redis-journal.ts',
  'createRedisJournal',
)

const memory = wrapMade<typeof createMemoryStore>(
  'plugins/cache/memory-store.ts',
  'createMemoryStore',
)

/** Some waits of the protocol are of another length. */
const waiting = (change: Partial<typeof Waits>): Wrapper => ({
  module: 'plugins/cache/waits.ts',
  name: 'waits',
  wrap: (original: typeof Waits) => ({ ...original, ...change }),
})

const subtle: Record<string, Wrapper> = {
  'a new epoch stores at once': waiting({ barrier: 1 }),
  'use begins without waiting for the others': waiting({ settle: 0 }),
  'a new epoch stores after half a second': waiting({ barrier: 500 }),
  'a write that cannot be marked waits for a second': waiting({ unmarked: 1000 }),
  'an instance trusts what it holds, however long it slept': waiting({ trust: Infinity }),
  'an epoch outlives its server': script(
    'attach',
    "if text and redis.call('GET', P .. '@server') == ARGV[2] then",
    'if text then',
  ),
  'an instance does not ask whether Redis takes writes': {
    module: 'plugins/cache/scripts.ts',
    name: 'scripts',
    wrap: (original: typeof Scripts) => ({ ...original, probe: original.server }),
  },
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
  'a store does not compare tokens': script(
    'store',
    "if from > 0 and string.match(at or '', '^%S+ (%S+)') ~= ARGV[5] then",
    'if false then',
  ),
  'a lost mark is not asked for': wrapJournal(() => ({ isMarked: async () => true })),
  'a write that cannot be marked does not wait': wrapJournal(({ mark }, { client }) => ({
    mark: async (change) =>
      client.status === 'ready' ? mark(change) : { id: 'none', change, placed: false, since: 0 },
  })),
  'a failed finish drops its outbox row': wrapJournal(({ finish }) => ({
    finish: async (change, mark) => {
      await finish(change, mark)
      return true
    },
  })),
  'the server is not asked who it is': journalOptions(({ runtime }) => ({
    runtime: { ...runtime!, every: () => () => {} },
  })),
  'use begins at once, without the outbox': connection(() => ({
    settleDelay: 0,
    drain: async () => true,
  })),
  'the outbox is emptied before it is applied': relay(({ outbox }) => ({
    outbox: {
      ...outbox,
      async read() {
        const rows = await outbox.read()
        await outbox.remove(rows.map(({ id }) => id))
        return rows
      },
    },
  })),
  'an entry removes nothing from memory': memory(() => ({ deleteTouched: () => 0 })),
  'a write removes every answer': wrapJournal(({ finish }) => ({
    finish: (_change, mark) => finish('*', mark),
  })),
}

/** The faults that bring a broken build to light, where any at all would take minutes. */
export const revealing: Record<string, readonly FaultKind[]> = {
  'a new epoch stores at once': ['redis flushed'],
  'a new epoch stores after half a second': ['redis flushed'],
  'an instance trusts what it holds, however long it slept': ['redis paused'],
  'an epoch outlives its server': ['redis restarted from a snapshot', 'redis failed over'],
  'use begins without waiting for the others': ['redis paused'],
  'a store does not compare tokens': ['redis failed over behind a proxy'],
  'a shared copy of another epoch is used': [
    'redis restarted from a snapshot',
    'redis failed over',
  ],
  'the outbox is emptied before it is applied': ['an instance crashed', 'redis paused'],
}

/** Every broken build: those of the checker, and subtler ones that only the simulation can hope to tell. */
export const mutants: Record<string, Mutant> = {
  ...known,
  ...Object.fromEntries(
    Object.entries(subtle).map(([name, wrapper]) => [name, { wrappers: [wrapper] }]),
  ),
}
