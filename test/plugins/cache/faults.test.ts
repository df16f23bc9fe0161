import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { newDatabase, startApp } from '../../support/app.ts'
import { cacheInUse, get, isHit, keysIn, startInstances, write } from '../../support/cache.ts'
import { freePort } from '../../support/free-port.ts'
import { startRedis } from '../../support/redis.ts'
import { startProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'

const list = '/v1/animes?type=TV'
const title = (name: string) => ({ title: name, type: 'TV' })

/** The whole list as the database has it, asked past the cache. */
const titlesOf = (body: string) =>
  (JSON.parse(body).data as { title: string }[]).map((a) => a.title)

t.test('an instance whose Redis is not there starts, answers, and says so', async (t) => {
  const port = await freePort()
  const DATABASE_URL = await newDatabase(t)
  const REDIS_URL = `redis://127.0.0.1:${port}`
  const app = await startApp(t, { DATABASE_URL, REDIS_URL }, { titles: 50 })
  const answer = await get(app, list)
  t.equal(answer.status, 200)
  t.match(answer.cache, 'fwd=bypass; detail=redis-unavailable')
  const health = await get(app, '/health/ready')
  t.equal(health.status, 200)
  t.match(JSON.parse(health.body), { status: 'degraded', redis: 'unavailable' })
})

t.test('Redis killed: right answers, deferred writes; restarted empty: in use again', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  for (const app of [one!, other!]) await get(app, list)
  await redis.kill()
  await until('both have noticed', async () => {
    const seen = [await get(one!, list), await get(other!, list)]
    return seen.every(({ cache }) => cache.includes('redis-unavailable'))
  })
  const written = await write(one!, 'POST', '/v1/animes', title('Written meanwhile'))
  t.equal(written.status, 201)
  t.match(written.cache, 'detail=invalidation-deferred')
  t.ok(titlesOf((await get(other!, list)).body).includes('Written meanwhile'))
  await redis.start()
  await cacheInUse(one!)
  await cacheInUse(other!)
  for (const app of [one!, other!]) {
    t.ok(titlesOf((await get(app, list)).body).includes('Written meanwhile'))
  }
  const rows = () => one!.database.reader.selectFrom('outbox').select('id').execute()
  await until('the outbox is empty', async () => (await rows()).length === 0)
})

t.test('Redis paused: writes made meanwhile are seen by whoever uses it again', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  for (const app of [one!, other!]) await get(app, list)
  redis.pause()
  t.match((await get(one!, list)).cache, 'redis-unavailable')
  const written = await write(one!, 'POST', '/v1/animes', title('In the pause'))
  t.equal(written.status, 201)
  redis.resume()
  const resumed = performance.now()
  await until('the cache is in use', async () => isHit(other!, list), 4000)
  t.ok(performance.now() - resumed < 4000)
  t.ok(titlesOf((await get(other!, list)).body).includes('In the pause'))
})

t.test('a link that swallows everything is given up, ready or in its handshake', async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, { host: '127.0.0.1', port: redis.port })
  const DATABASE_URL = await newDatabase(t)
  const REDIS_URL = `redis://127.0.0.1:${proxy.port}`
  const app = await startApp(t, { DATABASE_URL, REDIS_URL }, { titles: 50 })
  await cacheInUse(app)
  for (const outage of [0, 2000]) {
    proxy.decide(() => 'vanishes')
    t.match((await get(app, list)).cache, 'redis-unavailable')
    await sleep(outage)
    proxy.decide(undefined)
    await cacheInUse(app)
  }
})

t.test('a flush begins a new epoch, and nothing of the old one is served', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  for (const app of [one!, other!]) await get(app, list)
  const epoch = async () => (await redis.client.get('{animes}:@clock'))?.split(' ')[0]
  const before = await epoch()
  await redis.client.flushall()
  t.notOk(await isHit(one!, list))
  await cacheInUse(other!)
  t.not(await epoch(), before)
})

t.test('a failover to a replica that missed a write begins a new epoch', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  for (const app of [one!, other!]) await get(app, list)
  // A snapshot from before the write takes the place of the server, as a lagging replica would.
  const dump = new Map<string, Buffer>()
  for (const key of await redis.client.keys('*')) dump.set(key, await redis.client.dumpBuffer(key))
  await write(one!, 'POST', '/v1/animes', title('Lost by the replica'))
  await redis.kill()
  await redis.start()
  for (const [key, value] of dump) await redis.client.restore(key, 0, value)
  for (const app of [one!, other!]) {
    await cacheInUse(app)
    t.ok(titlesOf((await get(app, list)).body).includes('Lost by the replica'))
  }
})

t.test('damaged, foreign and misused values are misses, never failures', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  const damage: Record<string, (key: string) => Promise<unknown>> = {
    body: (key) => redis.client.hset(key, 'body', 'x'),
    meta: (key) => redis.client.hset(key, 'meta', '{'),
    'meta without tags': (key) => redis.client.hset(key, 'meta', '5'),
    form: (key) => redis.client.hset(key, 'meta', '{"form":99,"tags":["type:TV"]}'),
    position: (key) => redis.client.hset(key, 'position', 'many'),
    'type of the key': (key) => redis.client.set(key, 'a string'),
  }
  for (const [what, spoil] of Object.entries(damage)) {
    const url = `/v1/animes?type=TV&q=${encodeURIComponent(what)}`
    const key = `{animes}:animes:q=${encodeURIComponent(what)}&type=TV`
    await until('it is stored', () => isHit(one!, url))
    const made = await get(one!, url)
    await spoil(key)
    const answer = await get(other!, url)
    t.equal(answer.status, 200, what)
    t.equal(answer.body, made.body, what)
    t.notMatch(answer.cache, '; hit;', what)
  }
  t.ok(await until('all is well', () => isHit(other!, '/v1/animes?type=TV&q=body')))
})

t.test('damage to the journal itself makes the cache begin anew', async (t) => {
  const redis = await startRedis(t)
  const [one] = await startInstances(t, redis, 1)
  for (const name of ['@clock', '@journal', '@marks']) {
    await get(one!, list)
    await redis.client.del(`{animes}:${name}`)
    await redis.client.set(`{animes}:${name}`, 'nonsense')
    const written = await write(one!, 'POST', '/v1/animes', title(`After ${name}`))
    t.equal(written.status, 201)
    t.ok(titlesOf((await get(one!, list)).body).includes(`After ${name}`))
    await cacheInUse(one!)
  }
})

t.test('a Redis that takes no writes is not used, by those who only read either', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  for (const app of [one!, other!]) await get(app, list)
  await redis.client.config('SET', 'min-replicas-to-write', 1)
  const reading = new AbortController()
  const seen: { at: number; titles: string[] }[] = []
  const reads = (async () => {
    while (!reading.signal.aborted && seen.length < 5000) {
      const at = performance.now()
      seen.push({ at, titles: titlesOf((await get(other!, list)).body) })
      await sleep(2)
    }
  })()
  const written = await write(one!, 'POST', '/v1/animes', title('Unmarked'))
  const answered = performance.now()
  t.equal(written.status, 201)
  t.match(written.cache, 'detail=invalidation-deferred')
  await until('it was read after', () => seen.filter(({ at }) => at > answered).length > 50)
  reading.abort()
  await reads
  const after = seen.filter(({ at }) => at > answered)
  t.ok(
    after.every(({ titles }) => titles.includes('Unmarked')),
    'no read after the answer is stale',
  )
  await redis.client.config('SET', 'min-replicas-to-write', 0)
  for (const app of [one!, other!]) await cacheInUse(app)
})

t.test('an instance that starts on a damaged journal begins anew', async (t) => {
  const redis = await startRedis(t)
  const [first] = await startInstances(t, redis, 1)
  const { DATABASE_URL } = first!.config
  await first!.close()
  for (const name of ['@journal', '@marks']) {
    await redis.client.del(`{animes}:${name}`)
    await redis.client.set(`{animes}:${name}`, 'nonsense')
    const next = await startApp(t, { DATABASE_URL, REDIS_URL: redis.url })
    await cacheInUse(next)
    t.not(await redis.client.type(`{animes}:${name}`), 'string', name)
    await next.close()
  }
})

t.test('a full Redis drops answers, never what makes them right', async (t) => {
  const policy = ['--maxmemory-policy', 'volatile-lru']
  const redis = await startRedis(t, ['--maxmemory', '4mb', ...policy])
  const [one, other] = await startInstances(t, redis, 2)
  for (let page = 0; page < 400; page += 1) {
    const answer = await get(one!, `/v1/animes?type=TV&q=${'x'.repeat(150)}${page}`)
    t.equal(answer.status === 200, true)
  }
  await get(other!, list)
  const written = await write(one!, 'POST', '/v1/animes', title('In a full house'))
  t.equal(written.status, 201)
  t.notMatch(written.cache, 'deferred')
  t.ok(titlesOf((await get(other!, list)).body).includes('In a full house'))
  t.ok(await redis.client.exists('{animes}:@clock'))
})

t.test('the index lost: dead answers are still not served', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startInstances(t, redis, 2)
  await get(one!, list)
  await redis.client.del(...(await redis.client.keys('{animes}:@[ck]:*')))
  await write(one!, 'POST', '/v1/animes', title('Unindexed'))
  t.ok((await keysIn(redis)).includes('{animes}:animes:type=TV'), 'the key could not be found')
  t.ok(titlesOf((await get(other!, list)).body).includes('Unindexed'))
})

t.test('what is left in the outbox is applied before a new instance uses the cache', async (t) => {
  const redis = await startRedis(t)
  const [one] = await startInstances(t, redis, 1)
  await get(one!, list)
  const { DATABASE_URL } = one!.config
  await one!.close()
  const second = await startApp(
    t,
    { DATABASE_URL, REDIS_URL: redis.url },
    {
      prepare: async (app) => {
        await app.ready()
        await app.databaseState.connected
      },
    },
  )
  t.ok(await until('it serves what the first stored', () => isHit(second, list)))
  await second.database.writer
    .updateTable('animes')
    .set({ title: 'Changed by SQL' })
    .where('type', '=', 'TV')
    .execute()
  await second.database.writer.insertInto('outbox').values({ tags: '*' }).execute()
  await second.close()
  const third = await startApp(t, { DATABASE_URL, REDIS_URL: redis.url })
  t.same([...new Set(titlesOf((await get(third, list)).body))], ['Changed by SQL'])
})
