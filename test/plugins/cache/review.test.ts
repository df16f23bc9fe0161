import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { generateCsv } from '../../../db/import/generate.ts'
import { readOutbox } from '../../../db/outbox.ts'
import type { UserRow } from '../../../db/users.ts'
import { audit } from '../../../plugins/cache/auditor.ts'
import { createEntry, encode } from '../../../plugins/cache/entry.ts'
import { createLocalJournal } from '../../../plugins/cache/journal.ts'
import { createCache, type Leading, markLease } from '../../../plugins/cache/protocol.ts'
import { defineScripts } from '../../../plugins/cache/redis-commands.ts'
import { createReplica } from '../../../plugins/cache/replica.ts'
import { dimensionTree } from '../../../plugins/cache/tree.ts'
import { NotFound } from '../../../plugins/errors.ts'
import { startApp, temporaryFolder } from '../../support/app.ts'
import { cacheInUse, get, keysIn, singleRedis, write } from '../../support/cache.ts'
import { run } from '../../support/process.ts'
import { freePort } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

t.test('a client that leaves before a refusal leaves nobody waiting', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const app = await startApp(
    t,
    {},
    {
      prepare: (app) => {
        const cache = () => ({ key: 'slow', dimensions: ['all'] })
        app.get('/slow', { config: { cache } }, async (_request, reply) => {
          arrived.resolve()
          await left.promise
          return reply.code(404).send('none')
        })
      },
    },
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n')
  await arrived.promise
  socket.destroy()
  await once(socket, 'close')
  await sleep(20)
  left.resolve()
  const answer = await fetch(`http://127.0.0.1:${port}/slow`, { signal: AbortSignal.timeout(3000) })
  t.equal(answer.status, 404)
})

t.test('the memory bound holds for every coding of an answer', async (t) => {
  const limit = 2_000_000
  const env = { CACHE_MAX_BYTES: String(limit) }
  const app = await startApp(t, env, { titles: 1000 })
  for (let page = 0; page < 12; page += 1) {
    for (const coding of ['identity', 'gzip', 'br', 'zstd']) {
      const headers = { 'accept-encoding': coding }
      await app.inject({ url: `/v1/animes?minYear=${1900 + page}`, headers })
    }
  }
  let held = 0
  for (const { variants } of app.cache.memory.values()) {
    for (const { bytes } of variants.values()) held += bytes.length
  }
  t.ok(held > limit / 4 && held <= limit, `${held} bytes held`)
  t.ok(app.cache.memory.calculatedSize >= held, 'and all of them are counted')
})

t.test('a change that touches 200,000 answers finds them all', async (t) => {
  const tree = dimensionTree()
  for (let key = 0; key < 200_000; key += 1) tree.add(String(key), ['all'])
  t.equal(tree.touchedBy([['all', 'type:TV']]).length, 200_000)
  t.equal(tree.touchedBy('*').length, 200_000)
})

t.test('an outbox row written by hand is sorted, or counts as everything', async (t) => {
  const app = await startApp(t)
  const { reader, writer } = app.database
  const rows: [string, unknown][] = [
    ['[["type:TV","genre:Action","all"]]', [['all', 'genre:Action', 'type:TV']]],
    ['[["genre:Slice of Life"]]', '*'],
    ['[[["x"]]]', '*'],
    ['[]', '*'],
    ['[["genre:\\ud800"]]', '*'],
    ['{"key":"@clock"}', '*'],
    ['{"key":"animes:all"}', { key: 'animes:all' }],
    ['{', '*'],
  ]
  for (const [tags, change] of rows) {
    await writer.insertInto('outbox').values({ tags, mark: 'm' }).execute()
    const found = await readOutbox(reader)
    t.strictSame(found.at(-1)!.change, change, tags)
  }
})

t.test(
  'what cannot be told of other processes makes no hit, and nobody waits for it',
  async (t) => {
    const replica = createReplica()
    const events = { onEntry: replica.append, onReset: replica.reset }
    let broken = false
    const journal = createLocalJournal(replica, events, () => {
      if (broken) throw new Error('no such database')
      return 1
    })
    const current = () => journal.catchUp((current) => current)
    t.same(await Promise.all([current(), current()]), [true, true])
    broken = true
    t.same(await Promise.all([current(), current()]), [false, false])
    broken = false
    t.equal(await current(), true)
  },
)

t.test('a hit that cannot be sent ends its connection, and no other', async (t) => {
  const app = await startApp(t, {}, { titles: 3 })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/v1/animes`
  for (const query of ['?limit=1', '?limit=2']) await (await fetch(url + query)).text()
  const [entry] = [...app.cache.memory.values()].filter(({ key }) => key.endsWith('limit=1'))
  ;(entry!.headers as string[]).push('x-broken', 'two\nlines')
  for (const condition of ['"another"', '*']) {
    const signal = AbortSignal.timeout(5000)
    const headers = { 'if-none-match': condition }
    await t.rejects(fetch(`${url}?limit=1`, { headers, signal }), { message: 'fetch failed' })
  }
  t.match((await fetch(`${url}?limit=2`)).headers.get('cache-status'), '; hit;')
})

t.test('in one process, a mark whose write never ended is lifted with its lease', async (t) => {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  const journal = createLocalJournal(replica, events)
  const mark = await journal.mark([['all', 'type:TV']])
  const fill = { key: 'k', dimensions: ['type:TV'], version: replica.version, bypass: false }
  const store = () => journal.store(fill, async () => t.fail('nothing is packed') as never, 1000)
  t.equal(await store(), undefined)
  t.ok(await journal.holds(mark))
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + markLease })
  t.match(await store(), { shared: false })
  t.notOk(await journal.holds(mark))
})

t.test('an answer too large for the memory is not said to be stored', async (t) => {
  const app = await startApp(t, { CACHE_MAX_BYTES: '1048576' }, { titles: 12_000 })
  t.notMatch((await get(app, '/v1/animes')).cache, 'stored')
  t.match((await get(app, '/v1/animes?limit=1')).cache, 'stored')
})

t.test(
  'an answer too large to be shared is kept by its instance, and nobody waits for it',
  async (t) => {
    const redis = await singleRedis(t)
    const body = JSON.stringify(randomBytes(9_000_000).toString('base64'))
    const prepare = (app: FastifyInstance) => {
      const cache = () => ({ key: 'large', dimensions: ['all'] })
      app.get('/large', { config: { cache } }, async (_request, reply) => reply.send(body))
    }
    const app = await startApp(t, { REDIS_URL: redis.url }, { prepare })
    await cacheInUse(app)
    t.match((await get(app, '/large')).cache, 'fwd=miss; stored')
    t.match((await get(app, '/large')).cache, '; hit;')
    t.notOk((await keysIn(redis)).includes('{animes}:large'))
  },
)

t.test('a coding that failed is tried again', async (t) => {
  const fields = { key: 'k', dimensions: ['all'], length: 5000, etag: 'e', headers: [] }
  const entry = createEntry({ ...fields, made: 0, expires: 0 }, 'zstd', Buffer.from('no zstd'))
  await t.rejects(async () => encode(entry, 'identity', () => {}))
  const body = Buffer.alloc(5000, 'a')
  entry.variants.set('zstd', { ...entry.variants.get('zstd')!, bytes: zstdCompressSync(body) })
  t.same((await encode(entry, 'identity', () => {})).bytes, body)
})

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

t.test('a write whose marks keep getting lost is 503, and nothing of it stays', async (t) => {
  const app = await startApp(t)
  app.cache.journal.holds = async () => false
  const token = app.accessToken({ id: 1, email: 'admin@example.org', role: 'admin' } as UserRow)
  const { statusCode, headers } = await app.inject({
    method: 'POST',
    url: '/v1/animes',
    headers: { authorization: `Bearer ${token}` },
    payload: { title: 'Lost' },
  })
  t.equal(statusCode, 503)
  t.ok(Number(headers['retry-after']) > 0)
  t.equal(JSON.parse((await get(app, '/v1/animes')).body).total, 0)
})

t.test('the auditor tells of an answer whose title is gone', async (t) => {
  const redis = await singleRedis(t)
  const app = await startApp(t, { REDIS_URL: redis.url }, { titles: 5 })
  await cacheInUse(app)
  await get(app, '/v1/animes/1')
  const read = () => Promise.reject(new NotFound('gone'))
  const broken = () => Promise.reject(new Error('no database'))
  const candidate = { key: 'anime:1', dimensions: ['id:1'] }
  t.equal(await audit(app.cache, { ...candidate, read }), false)
  await t.rejects(audit(app.cache, { ...candidate, read: broken }), 'an outage tells nothing')
})

t.test('an audit is no request: it wakes nobody', async (t) => {
  let woken = 0
  const cache = createCache({
    maxBytes: 1_000_000,
    ttl: 60_000,
    openJournal: createLocalJournal,
    wake: () => {
      woken += 1
      return true
    },
  })
  const wanted = { key: 'k', dimensions: ['all'] }
  const begun = await cache.begin(wanted, await cache.look('k'))
  const { fill } = begun as Leading
  await cache.store(fill, { body: Buffer.from('body'), headers: [] })
  t.equal(woken, 1)
  t.equal(await audit(cache, { ...wanted, read: async () => 'body' }), true)
  t.equal(await audit(cache, { ...wanted, read: async () => 'another' }), false)
  t.equal(woken, 1)
})

t.test('a purge of one key drops the answer being made too, and never the journal', async (t) => {
  const redis = await singleRedis(t)
  const arrived = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  let body = '"old"'
  const prepare = (app: FastifyInstance) => {
    const cache = () => ({ key: 'slow', dimensions: ['all'] })
    app.get('/slow', { config: { cache } }, async (_request, reply) => {
      const read = body
      arrived.resolve()
      await go.promise
      return reply.send(read)
    })
  }
  const app = await startApp(t, { REDIS_URL: redis.url }, { prepare })
  await cacheInUse(app)
  const slow = get(app, '/slow')
  await arrived.promise
  body = '"new"'
  t.equal((await write(app, 'DELETE', '/v1/cache?key=slow')).status, 204)
  go.resolve()
  await slow
  t.equal((await get(app, '/slow')).body, '"new"')
  t.equal((await write(app, 'DELETE', '/v1/cache?key=@clock')).status, 400)
  t.ok(await redis.client.exists('{animes}:@clock'))
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

t.test('everything goes in small bites, however many tags there are', async (t) => {
  const { client } = await singleRedis(t)
  const run = defineScripts(client)
  await run.found('epoch', 'server', 1, '')
  await until('it is quiet no more', async () => !(await client.exists('{animes}:@quiet')))
  const count = 12_000
  await Promise.all(
    Array.from({ length: count }, (_, id) =>
      run.store(`anime:${id}`, JSON.stringify([`id:${id}`]), 'epoch', 0, 60_000, '{}', 'body'),
    ),
  )
  t.equal(await client.exists('{animes}:anime:1', `{animes}:anime:${count - 1}`), 2)
  let told = await run.finish('', '*', 'token')
  const left = await client.dbsize()
  t.ok(left > count && left < 2 * count, `after the first bite ${left} keys are left`)
  let bites = 1
  for (; told === 2 && bites < 20; bites += 1) told = await run.kill('*')
  t.equal(told, 1)
  t.ok(bites >= 4 && bites <= 8, `${bites} bites`)
  t.strictSame((await client.keys('*')).sort(), [
    '{animes}:@clock',
    '{animes}:@journal',
    '{animes}:@server',
  ])
})

t.test('half a character in a genre or title is refused', async (t) => {
  const app = await startApp(t)
  for (const row of [{ title: 'A', genres: ['\ud800'] }, { title: 'A\udc00' }]) {
    t.equal((await write(app, 'POST', '/v1/animes', row)).status, 400)
  }
  t.equal((await write(app, 'POST', '/v1/animes', { title: 'A 🎌' })).status, 201)
})

t.test('an import that cannot reach Redis ends well, and says so', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'one.csv')
  writeFileSync(file, [...generateCsv(1)].join(''))
  const env = {
    DATABASE_URL: `sqlite:${join(folder, 'anime.db')}`,
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
  }
  const { exited, stderr } = run(t, 'bin/import.ts', [file], env)
  t.equal((await exited).code, 0)
  t.match(stderr(), 'redis cannot be reached')
})
