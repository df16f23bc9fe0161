import type { coalesce } from '../../plugins/cache/batches.ts'
import type { createFlights, Flight } from '../../plugins/cache/flights.ts'
import type { Fill } from '../../plugins/cache/journal.ts'
import type { createMemoryStore } from '../../plugins/cache/memory-store.ts'
import type { createCache } from '../../plugins/cache/protocol.ts'
import type { createRelay } from '../../plugins/cache/relay.ts'
import type { Replica } from '../../plugins/cache/replica.ts'
import { type Runtime, systemRuntime } from '../../plugins/cache/runtime.ts'
import type { commit } from '../../plugins/cache/write.ts'
import { type Wrapper, wrapJournal, wrapMade, wrapOptions, wrapRoute } from './wrappers.ts'

/** A broken build: some exports of the product, each replaced by one that breaks a rule. */
export interface Mutant {
  wrappers: Wrapper[]
  /** The faults that reveal it soonest; any where none are named. */
  faults?: string[]
}

const ignore = () => {}

/** Each rule of the cache, broken. The checker must tell every one from the real service. */
export const mutants: Record<string, Mutant> = {
  'rule 1: two formats of a list share a key': {
    wrappers: [
      wrapRoute(({ keyOf }) => ({
        rawKey: (request) => request.raw.url!,
        keyOf: (input) => keyOf({ ...input, vary: {} }),
      })),
    ],
    faults: [],
  },
  'rule 2: a change counts only as the new row': {
    wrappers: [
      {
        module: 'plugins/cache/write.ts',
        name: 'commit',
        wrap:
          (original: typeof commit): typeof commit =>
          (store, cache, work) =>
            original(store, cache, async (trx) => {
              const done = await work(trx)
              return Array.isArray(done.change) ? { ...done, change: done.change.slice(-1) } : done
            }),
      },
    ],
    faults: [],
  },
  'rule 3: the version is noted after the query': {
    wrappers: [
      wrapJournal(({ sync, store }, { replica }) => ({
        store: async (fill, packed, ttl) => {
          await sync(ignore)
          return store({ ...fill, version: replica.version }, packed, ttl)
        },
      })),
    ],
    faults: [],
  },
  'rule 3: the version is noted when the reading thread answers': {
    wrappers: [
      {
        module: 'plugins/cache/protocol.ts',
        name: 'createCache',
        wrap:
          (original: typeof createCache): typeof createCache =>
          (options) => {
            const { openJournal } = options
            let replica: Replica | undefined
            const cache = original({
              ...options,
              openJournal: (opened, events) => {
                replica = opened
                return openJournal(opened, events)
              },
            })
            const answered = (fill: Fill): Fill => ({ ...fill, version: replica!.version })
            return { ...cache, store: (fill, answer) => cache.store(answered(fill), answer) }
          },
      },
    ],
    faults: [],
  },
  'rule 4: hits are not checked': {
    wrappers: [
      wrapJournal(({ sync }, { runtime = systemRuntime }) => ({
        sync: (then) => (runtime.random() < 0.2 ? sync(then) : then(true)),
      })),
    ],
    faults: [],
  },
  'rule 4: a request joins a read already sent': {
    wrappers: [
      {
        module: 'plugins/cache/batches.ts',
        name: 'coalesce',
        wrap:
          (_original: typeof coalesce): typeof coalesce =>
          (read, given) => {
            const runtime = (given ?? systemRuntime) as Runtime
            let sent: Promise<boolean> | undefined
            return async (then) => {
              sent ??= read().then(async (current) => {
                await runtime.sleep(runtime.random() * 20)
                sent = undefined
                return current
              })
              return then(await sent)
            }
          },
      },
    ],
    faults: [],
  },
  'rule 5: what is held outlives its epoch': {
    wrappers: [
      wrapMade<typeof createMemoryStore>(
        'plugins/cache/memory-store.ts',
        'createMemoryStore',
      )(() => ({ clear: ignore })),
    ],
    faults: ['redis flushed right after a write'],
  },
  'rule 6: a write is not marked': {
    wrappers: [
      wrapJournal(({ finish }, { runtime = systemRuntime }) => ({
        mark: async (change) => ({
          change,
          ...{ id: runtime.token(), placed: true, since: runtime.now() },
        }),
        isMarked: async () => true,
        // A marked write may finish late: nobody holds what it touches. An unmarked one shows what is held.
        async finish(change, mark) {
          await runtime.sleep(20)
          return finish(change, mark)
        },
      })),
    ],
    faults: [],
  },
  'rule 6: the outbox is not read': {
    wrappers: [
      wrapOptions<typeof createRelay>(
        'plugins/cache/relay.ts',
        'createRelay',
      )(({ outbox }) => ({
        outbox: { ...outbox, read: async () => [] },
      })),
    ],
    faults: ['redis paused'],
  },
  'rule 7: a request joins a running query': {
    wrappers: [
      {
        module: 'plugins/cache/flights.ts',
        name: 'createFlights',
        wrap: (original: typeof createFlights) => () => {
          const flights = original()
          const running = new Map<string, Flight<unknown>>()
          const join = async (key: string) => {
            const other = running.get(key)
            if (other !== undefined) return { outcome: await other.outcome }
            const joined = await flights.join(key)
            if (!('lead' in joined)) return joined
            const { lead } = joined
            running.set(key, lead)
            void lead.outcome.then(() => running.delete(key))
            // It lasts longer, so that others come while it runs.
            const settle = (result: unknown) => void setTimeout(() => lead.settle(result), 20)
            return { lead: { ...lead, settle } }
          }
          return { ...flights, join }
        },
      },
    ],
    faults: [],
  },
}
