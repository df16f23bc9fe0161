import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { OutcomeUnknown } from '../../db/dialects/dialect.ts'
import type { UserRow } from '../../db/users.ts'
import { newDatabase, startApp } from '../support/app.ts'
import { get, singleRedis, startInstances } from '../support/cache.ts'

const send = async (
  app: FastifyInstance,
  key: string | undefined,
  payload: object = { title: 'Once' },
  { id = 1, url = '/v1/animes' } = {},
) => {
  const token = app.accessToken({ id, email: 'admin@example.org', role: 'admin' } as UserRow)
  const headers = {
    authorization: `Bearer ${token}`,
    ...(key !== undefined && { 'idempotency-key': key }),
  }
  const answer = await app.inject({ method: 'POST', url, headers, payload })
  const { statusCode: status, body } = answer
  return { status, body, headers: answer.headers, json: () => answer.json() }
}

const total = async (app: FastifyInstance) =>
  JSON.parse((await get(app, '/v1/animes?limit=1')).body).total as number

t.test('the same request with the same key is done once, and answered alike', async (t) => {
  const app = await startApp(t)
  const first = await send(app, '"one"')
  const again = await send(app, 'one')
  t.equal(first.status, 201)
  t.equal(first.headers['idempotent-replayed'], undefined)
  t.equal(again.status, 201)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.equal(again.body, first.body)
  for (const name of ['location', 'etag', 'content-type']) {
    t.equal(again.headers[name], first.headers[name], name)
  }
  t.equal(await total(app), 1)
  await send(app, undefined)
  t.equal(await total(app), 2, 'without a key each request is one of its own')
})

t.test('a key belongs to one request of one user', async (t) => {
  const app = await startApp(t)
  t.equal((await send(app, 'k', { title: 'A' })).status, 201)
  const other = await send(app, 'k', { title: 'B' })
  t.equal(other.status, 422)
  t.match(other.json(), { code: 'IDEMPOTENCY_KEY_REUSED' })
  const batch = { operations: [{ op: 'add', value: { title: 'A' } }] }
  t.equal((await send(app, 'k', batch, { url: '/v1/animes/batch' })).status, 422)
  t.equal((await send(app, 'k', { title: 'C' }, { id: 2 })).status, 201, 'of another user')
  t.equal(await total(app), 2)
})

t.test('a batch can be repeated too', async (t) => {
  const app = await startApp(t)
  const payload = { operations: ['A', 'B'].map((title) => ({ op: 'add', value: { title } })) }
  const first = await send(app, 'b', payload, { url: '/v1/animes/batch' })
  const again = await send(app, 'b', payload, { url: '/v1/animes/batch' })
  t.equal(again.body, first.body)
  t.equal(await total(app), 2)
})

t.test('a request that failed leaves its key free', async (t) => {
  const app = await startApp(t)
  t.equal((await send(app, 'f', { title: '' })).status, 400)
  const batch = { operations: [{ op: 'remove', id: 5 }] }
  t.equal((await send(app, 'f', batch, { url: '/v1/animes/batch' })).status, 400)
  t.equal((await send(app, 'f')).status, 201)
})

t.test('a key that is no text is refused', async (t) => {
  const app = await startApp(t)
  for (const key of ['', '""', 'x'.repeat(300), 'é']) {
    const answer = await send(app, key)
    t.equal(answer.status, 400, key)
    t.match(answer.json().errors, [{ field: 'Idempotency-Key' }])
  }
})

t.test('after 24 hours a key is free again, and forgotten', async (t) => {
  const app = await startApp(t)
  await send(app, 'old')
  const day = 24 * 3600 * 1000
  const created_at = new Date(Date.now() - day - 1000).toISOString()
  const { writer } = app.database
  await writer.updateTable('idempotency_keys').set({ created_at }).execute()
  t.equal((await send(app, 'old', { title: 'Another day' })).status, 201)
  t.equal(await total(app), 2)
  await send(app, 'new')
  const rows = await writer.selectFrom('idempotency_keys').select('hash').execute()
  t.equal(rows.length, 2)
})

t.test('100 clients with one key at once on two instances: one title', async (t) => {
  const redis = await singleRedis(t)
  const apps = await startInstances(t, redis, 2)
  const before = await total(apps[0]!)
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, client) => send(apps[client % 2]!, 'crowd')),
  )
  const made = answers.filter(({ status }) => status === 201)
  t.ok(made.length >= 1)
  t.equal(new Set(made.map(({ body }) => body)).size, 1, 'all of them the same answer')
  t.ok(answers.every(({ status }) => status === 201 || status === 409))
  for (const app of apps) t.equal(await total(app), before + 1)
  t.equal((await send(apps[1]!, 'crowd')).body, made[0]!.body, 'also from the other instance')
})

t.test('an unknown outcome stays one when the key cannot be read either', async (t) => {
  const app = await startApp(t)
  app.cache.journal.isMarked = async () => {
    app.databaseState.status = 'unavailable'
    throw new OutcomeUnknown('the connection was lost during the commit')
  }
  const answer = await send(app, 'lost')
  t.equal(answer.status, 503)
  t.match(answer.json(), { code: 'OUTCOME_UNKNOWN' })
  t.equal(answer.headers['retry-after'], undefined, 'nobody is told to repeat it')
})

t.test('the key is taken by the write itself: a crash before the commit takes none', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const app = await startApp(t, { DATABASE_URL })
  const { journal } = app.cache
  const isMarked = journal.isMarked
  journal.isMarked = async () => {
    throw new Error('the process died here')
  }
  t.equal((await send(app, 'crash')).status, 500)
  journal.isMarked = isMarked
  t.equal(await total(app), 0)
  t.equal((await send(app, 'crash')).status, 201)
  t.equal(await total(app), 1)
})
