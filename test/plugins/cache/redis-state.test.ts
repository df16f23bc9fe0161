import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineScripts } from '../../../plugins/cache/redis-commands.ts'
import { startApp } from '../../support/app.ts'
import { cacheInUse, get, singleRedis } from '../../support/cache.ts'
import { until } from '../../support/until.ts'

t.test('two databases behind one Redis never see the answers of one another', async (t) => {
  const redis = await singleRedis(t)
  const start = (titles: number) => startApp(t, { REDIS_URL: redis.url }, { titles })
  const one = await start(20)
  await cacheInUse(one)
  await get(one, '/v1/animes')
  const other = await start(7)
  await cacheInUse(other)
  const end = performance.now() + 4000
  const totals = new Map<FastifyInstance, Set<number>>([
    [one, new Set()],
    [other, new Set()],
  ])
  while (performance.now() < end) {
    for (const app of [one, other]) {
      totals.get(app)!.add(JSON.parse((await get(app, '/v1/animes')).body).total)
    }
    await sleep(5)
  }
  t.strictSame(
    [...totals.values()].map((seen) => [...seen]),
    [[20], [7]],
  )
})

t.test('an answer whose description was damaged in Redis is made anew', async (t) => {
  const redis = await singleRedis(t)
  const app = await startApp(t, { REDIS_URL: redis.url }, { titles: 5 })
  await cacheInUse(app)
  const right = await get(app, '/v1/animes')
  const name = '{animes}:animes:all'
  const meta = (await redis.client.hget(name, 'meta'))!
  const damages = [
    { headers: ['x'] },
    { headers: ['a', 'b\nc'] },
    { coding: 'foo' },
    { length: -1 },
  ]
  for (const damage of damages) {
    await redis.client.hset(name, 'meta', JSON.stringify({ ...JSON.parse(meta), ...damage }))
    app.cache.memory.clear()
    const answer = await get(app, '/v1/animes')
    t.match(answer, { status: 200, body: right.body }, JSON.stringify(damage))
    t.match(answer.cache, 'fwd=miss')
  }
})

t.test(
  'everything is deleted a bounded number at a time, however many tags there are',
  async (t) => {
    const { client } = await singleRedis(t)
    const run = defineScripts(client, '{animes}:')
    await run.attach('epoch', 'server', 1, '')
    await until('the store barrier is gone', async () => !(await client.exists('{animes}:@quiet')))
    const count = 12_000
    await Promise.all(
      Array.from({ length: count }, (_, id) =>
        run.store(
          `anime:${id}`,
          JSON.stringify([`id:${id}`]),
          'epoch',
          0,
          '-',
          60_000,
          '{}',
          'body',
        ),
      ),
    )
    t.equal(await client.exists('{animes}:anime:1', `{animes}:anime:${count - 1}`), 2)
    let reply = await run.finish('', '*', 'token')
    const left = await client.dbsize()
    t.ok(left > count && left < 2 * count, `after the first call ${left} keys are left`)
    let calls = 1
    for (; reply === 2 && calls < 20; calls += 1) reply = await run.deleteTouched('*')
    t.equal(reply, 1)
    t.ok(calls >= 4 && calls <= 8, `${calls} calls`)
    t.strictSame((await client.keys('*')).sort(), [
      '{animes}:@clock',
      '{animes}:@journal',
      '{animes}:@server',
    ])
  },
)

t.test('an entry of the journal that cannot be read makes the cache begin anew', async (t) => {
  const redis = await singleRedis(t)
  const app = await startApp(t, { REDIS_URL: redis.url }, { titles: 5 })
  await cacheInUse(app)
  const run = defineScripts(redis.client, '{animes}:')
  for (const change of ['[["all"', 'null', '{"key":"two words"}']) {
    const before = await redis.client.get('{animes}:@clock')
    await run.finish('', '*', 'token')
    await until('the entry is read', async () => (await get(app, '/v1/animes')).status === 200)
    const position = Number(before!.split(' ')[1]) + 2
    await redis.client.zadd('{animes}:@journal', position, `${position} bad ${change}`)
    await redis.client.set('{animes}:@clock', `${before!.split(' ')[0]} ${position} bad`)
    t.equal((await get(app, '/v1/animes')).status, 200)
    await cacheInUse(app)
  }
})

t.test('an instance that ends does not warn that Redis is out of reach', async (t) => {
  const redis = await singleRedis(t)
  const logged: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => logged.push(line) } }
  const app = await startApp(t, { REDIS_URL: redis.url }, { logger })
  await cacheInUse(app)
  logged.length = 0
  await app.close()
  await until('its connection is closed', () => app.redis!.status === 'end')
  await sleep(20)
  t.strictSame(logged, [])
})
