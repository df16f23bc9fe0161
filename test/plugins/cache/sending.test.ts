import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { cached } from '../../../plugins/cache/index.ts'
import { NotFound } from '../../../plugins/errors.ts'
import { startApp } from '../../support/app.ts'
import { cacheInUse, get, keysIn, singleRedis, write } from '../../support/cache.ts'
import { until } from '../../support/until.ts'

t.test('a client that leaves before a refusal keeps no other request waiting', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const app = await startApp(
    t,
    {},
    {
      prepare: (app) => {
        const key = () => ({ key: 'slow', tags: ['all'] })
        const read = async () => {
          arrived.resolve()
          await left.promise
          throw new NotFound('none')
        }
        app.get('/slow', cached({ key, read }))
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

t.test(
  'an answer too large to be shared is kept by its instance, and delays no other command',
  async (t) => {
    const redis = await singleRedis(t)
    const body = JSON.stringify(randomBytes(9_000_000).toString('base64'))
    const prepare = (app: FastifyInstance) => {
      const key = () => ({ key: 'large', tags: ['all'] })
      app.get('/large', cached({ key, read: async () => body }))
    }
    const app = await startApp(t, { REDIS_URL: redis.url }, { prepare })
    await cacheInUse(app)
    t.match((await get(app, '/large')).cache, 'fwd=miss; stored')
    t.match((await get(app, '/large')).cache, '; hit;')
    t.notOk((await keysIn(redis)).includes('{animes}:large'))
  },
)

t.test('a purge of one key drops the answer being made too, and never the journal', async (t) => {
  const redis = await singleRedis(t)
  const arrived = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  let body = '"old"'
  const prepare = (app: FastifyInstance) => {
    const key = () => ({ key: 'slow', tags: ['all'] })
    const read = async () => {
      const old = body
      arrived.resolve()
      await go.promise
      return old
    }
    app.get('/slow', cached({ key, read }))
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

t.test('a query goes on while somebody waits for it, and is told when nobody does', async (t) => {
  const queries: { signal: AbortSignal | undefined; end: (body: string) => void }[] = []
  const prepare = (app: FastifyInstance) => {
    const key = () => ({ key: 'slow', tags: ['all'] })
    const read = (_input: unknown, { signal }: { signal: AbortSignal | undefined }) =>
      new Promise((end) => queries.push({ signal, end }))
    app.get('/slow', cached({ key, read }))
  }
  const app = await startApp(t, {}, { prepare })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/slow`
  const client = () => {
    const leaving = new AbortController()
    const answer = fetch(url, { signal: leaving.signal }).then(
      (response) => response.text(),
      () => 'left',
    )
    return { answer, leave: () => leaving.abort() }
  }
  const first = client()
  await until('the first query runs', () => queries.length === 1)
  const second = client()
  const third = client()
  // Both wait for a query that begins when the first has ended.
  await sleep(50)
  first.leave()
  await until('the first query is abandoned', () => queries[0]!.signal!.aborted)
  await until('the next one runs at once', () => queries.length === 2)
  second.leave()
  await sleep(50)
  t.notOk(queries[1]!.signal!.aborted, 'one still waits')
  queries[1]!.end('answer')
  t.same(await Promise.all([first.answer, second.answer, third.answer]), ['left', 'left', 'answer'])
  queries[0]!.end('too late')
})

t.test('no query runs for clients that have all left before it began', async (t) => {
  const queries: { fail: (error: Error) => void }[] = []
  const prepare = (app: FastifyInstance) => {
    const key = () => ({ key: 'slow', tags: ['all'] })
    const read = () => new Promise((_, fail) => queries.push({ fail }))
    app.get('/slow', cached({ key, read }))
  }
  const app = await startApp(t, {}, { prepare })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/slow`
  const first = fetch(url)
  await until('the first query runs', () => queries.length === 1)
  const leaving = new AbortController()
  const others = Array.from({ length: 3 }, () =>
    fetch(url, { signal: leaving.signal }).catch(() => 'left'),
  )
  await sleep(50)
  leaving.abort()
  await Promise.all(others)
  await sleep(50)
  queries[0]!.fail(new NotFound('none'))
  t.equal((await first).status, 404)
  await sleep(50)
  t.equal(queries.length, 1, 'the clients that left need no query')
  const last = fetch(url)
  await until('the next client has its query at once', () => queries.length === 2)
  queries[1]!.fail(new NotFound('none'))
  t.equal((await last).status, 404)
})
