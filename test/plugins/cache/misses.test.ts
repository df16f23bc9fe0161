import Fastify from 'fastify'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import cache, { cached } from '../../../plugins/cache/index.ts'
import { takeTurns } from '../../../plugins/cache/turns.ts'
import { singleRedis } from '../../support/cache.ts'
import { until } from '../../support/until.ts'

class Full extends Error {
  statusCode = 503
}

/** A service whose queries wait for `release`, and are refused while `room.left` is false. */
async function serve(t: Test, url?: string, maxBytes = 1_000_000) {
  const room = { left: true }
  const queries: string[] = []
  const gates = new Map<string, PromiseWithResolvers<void>>()
  const client = url === undefined ? undefined : new Redis(url, { maxRetriesPerRequest: 0 })
  const app = Fastify()
  await app.register(cache, {
    name: 'test',
    redis: client && { client, hashTag: 'test' },
    dataset: async () => 'test',
    maxBytes,
    admit() {
      if (!room.left) throw new Full('no room')
    },
    transaction: (work) => work(undefined),
    outbox: {
      insert: async () => {},
      read: async () => [],
      remove: async () => {},
      removeByMark: async () => {},
    },
  })
  app.get(
    '/n',
    cached<unknown, { n: string }>({
      key: ({ query: { n } }) => ({ key: `n:${n}`, tags: ['all'] }),
      async read({ query: { n } }) {
        queries.push(n)
        await gates.get(n)?.promise
        return { n }
      },
    }),
  )
  t.teardown(async () => {
    await app.close()
    client?.disconnect()
  })
  await app.ready()
  const ask = async (path: string) => {
    const { statusCode, headers } = await app.inject(path)
    return `${statusCode} ${/hit|miss|collapsed/.exec(String(headers['cache-status'])) ?? ''}`
  }
  return { app, ask, room, queries, gates }
}

t.test('without room for a query, hits are sent and what is asked already is shared', async (t) => {
  const { ask, room, queries, gates } = await serve(t)
  t.equal(await ask('/n?n=1'), '200 miss')
  const gate = Promise.withResolvers<void>()
  gates.set('2', gate)
  const leader = ask('/n?n=2')
  await until('the query runs', async () => queries.length === 2)
  room.left = false
  t.equal(await ask('/n?n=1'), '200 hit')
  t.equal(await ask('/n?n=%31'), '200 hit', 'an answer that is held, asked in another spelling')
  const follower = ask('/n?n=2')
  t.equal(await ask('/n?n=3'), '503 ')
  gate.resolve()
  t.strictSame(await Promise.all([leader, follower]), ['200 miss', '200 hit'])
  t.strictSame(queries, ['1', '2'], 'no other query was begun')
  room.left = true
  t.equal(await ask('/n?n=3'), '200 miss')
})

t.test('without room for a query, an answer that Redis holds is sent', async (t) => {
  const { url } = await singleRedis(t)
  const first = await serve(t, url)
  const second = await serve(t, url)
  for (const { app } of [first, second]) {
    await until('Redis is in use', async () => app.cache.journal.state() === 'ok')
  }
  await until('it is stored', async () => {
    await first.ask('/n?n=1')
    return (await first.app.cache.list(10)).some(({ tier }) => tier === 'redis')
  })
  second.room.left = false
  t.equal(await second.ask('/n?n=1'), '200 hit')
  t.strictSame(second.queries, [])
})

t.test('a hit overtakes misses that came before it', async (t) => {
  const { ask, queries } = await serve(t)
  t.equal(await ask('/n?n=held'), '200 miss')
  const misses = Array.from({ length: 200 }, (_, n) => ask(`/n?n=${n}`))
  t.equal(await ask('/n?n=held'), '200 hit')
  t.ok(queries.length < 100, `${queries.length} queries were begun before it`)
  t.strictSame(new Set(await Promise.all(misses)), new Set(['200 miss']))
})

t.test('identical misses share a query although no answer can be kept', async (t) => {
  const { ask, queries } = await serve(t, undefined, 1)
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask('/n?n=1')))
  t.ok(queries.length <= 2, `${queries.length} queries`)
  t.ok(answers.every((answer) => /^200 (miss|collapsed)/.test(answer)))
})

t.test('so many names take a turn, in their order, and those of one name together', async (t) => {
  const turns: (() => void)[] = []
  const turn = takeTurns(2, { immediate: (work) => void turns.push(work) })
  const began: number[] = []
  const begin = async (number: number, name = String(number)) => {
    await turn(name)
    began.push(number)
  }
  const next = async () => {
    for (const work of turns.splice(0)) work()
    await new Promise(setImmediate)
  }
  for (const number of [1, 2, 3, 4, 5]) void begin(number)
  void begin(1.5, '1')
  void begin(3.5, '3')
  await new Promise(setImmediate)
  t.strictSame(began, [1, 2, 1.5])
  await next()
  void begin(6)
  t.strictSame(began, [1, 2, 1.5, 3, 3.5, 4])
  await next()
  t.strictSame(began, [1, 2, 1.5, 3, 3.5, 4, 5, 6])
  await next()
  t.strictSame(turns, [], 'nothing is scheduled while nothing comes')
})
