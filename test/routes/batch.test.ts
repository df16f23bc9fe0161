import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { UserRow } from '../../db/users.ts'
import { startApp } from '../support/app.ts'
import { get, isHit, write } from '../support/cache.ts'

const batch = async (app: FastifyInstance, operations: object[]) => {
  const token = app.accessToken({ id: 1, email: 'admin@example.org', role: 'admin' } as UserRow)
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/animes/batch',
    headers: { authorization: `Bearer ${token}` },
    payload: { operations },
  })
  return { status: answer.statusCode, body: answer.json() }
}

const titleOf = async (app: FastifyInstance, id: number) =>
  JSON.parse((await get(app, `/v1/animes/${id}`)).body)

t.test('a batch adds, changes and removes in order, and says what came of each', async (t) => {
  const app = await startApp(t, {}, { titles: 20 })
  const { status, body } = await batch(app, [
    { op: 'add', value: { title: 'Added', type: 'TV', genres: ['Action'] } },
    { op: 'change', id: 7, value: { score: 9.5 } },
    { op: 'remove', id: 9 },
    { op: 'change', id: 7, value: { title: 'Twice changed' } },
  ])
  t.equal(status, 200)
  t.match(body.results, [
    { status: 201, value: { title: 'Added', type: 'TV', year: null, genres: ['Action'] } },
    { status: 200, value: { id: 7, score: 9.5 } },
    { status: 204 },
    { status: 200, value: { id: 7, score: 9.5, title: 'Twice changed' } },
  ])
  t.match(await titleOf(app, 7), { score: 9.5, title: 'Twice changed' })
  t.match(await titleOf(app, body.results[0].value.id), { title: 'Added' })
  t.equal((await get(app, '/v1/animes/9')).status, 404)
})

t.test('if one operation cannot be done, its index is named and nothing is done', async (t) => {
  const app = await startApp(t, {}, { titles: 20 })
  const add = { op: 'add', value: { title: 'Must not be there' } }
  const wrong: [object, number, string][] = [
    [{ op: 'change', id: 999, value: { score: 1 } }, 400, 'operations.1.id'],
    [{ op: 'remove', id: 999 }, 400, 'operations.1.id'],
    [{ op: 'change', id: 3, ifMatch: '"other"', value: { score: 1 } }, 412, 'operations.1'],
    [{ op: 'remove', id: 3, ifMatch: '"other"' }, 412, 'operations.1'],
    [{ op: 'change', id: 3, value: {} }, 400, 'operations.1.value'],
    [{ op: 'change', id: 3, value: { score: 11 } }, 400, 'operations.1.value.score'],
    [{ op: 'add', value: { title: '' } }, 400, 'operations.1.value.title'],
    [{ op: 'add', value: { title: 'A', id: 4 } }, 400, 'operations.1.value.id'],
    [{ op: 'replace', id: 3 }, 400, 'operations.1'],
    [{ op: 'remove' }, 400, 'operations.1.id'],
  ]
  for (const [operation, status, field] of wrong) {
    const answer = await batch(app, [add, operation])
    t.equal(answer.status, status, JSON.stringify(operation))
    t.equal(answer.body.errors?.[0]?.field, field, JSON.stringify(operation))
  }
  t.equal(JSON.parse((await get(app, '/v1/animes')).body).total, 20)
})

t.test('a batch of none, or of more than 1,000, is refused', async (t) => {
  const app = await startApp(t)
  const adds = (count: number) =>
    Array.from({ length: count }, (_, row) => ({ op: 'add', value: { title: `Row ${row}` } }))
  t.equal((await batch(app, [])).status, 400)
  t.equal((await batch(app, adds(1001))).status, 400)
  const { status, body } = await batch(app, adds(1000))
  t.equal(status, 200)
  t.equal(body.results.length, 1000)
  t.equal(JSON.parse((await get(app, '/v1/animes?limit=1')).body).total, 1000)
})

t.test('a batch removes exactly the answers that it makes wrong', async (t) => {
  const app = await startApp(t)
  const row = { title: 'A', type: 'TV', year: 2001, genres: ['Action'] }
  const { body } = await write(app, 'POST', '/v1/animes', row)
  const { etag } = (await get(app, `/v1/animes/${body.id}`)).headers
  const wrong = ['type=TV', 'type=OVA', 'year=2001', 'genre=Drama', 'type=MUSIC', 'sort=title']
  const right = ['type=MOVIE', 'type=OVA&genre=Action', 'type=MUSIC&year=2001', 'year=1999']
  for (const query of [...wrong, ...right]) await get(app, `/v1/animes?${query}`)
  const { status } = await batch(app, [
    { op: 'change', id: body.id, ifMatch: String(etag), value: { type: 'OVA', genres: ['Drama'] } },
    { op: 'add', value: { title: 'B', type: 'MUSIC', year: 2002 } },
  ])
  t.equal(status, 200)
  for (const query of wrong) t.notOk(await isHit(app, `/v1/animes?${query}`), query)
  for (const query of right) t.ok(await isHit(app, `/v1/animes?${query}`), query)
})

t.test('only an admin may send a batch', async (t) => {
  const app = await startApp(t)
  const payload = { operations: [{ op: 'add', value: { title: 'A' } }] }
  const send = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/v1/animes/batch', headers, payload })
  t.equal((await send({})).statusCode, 401)
  const token = app.accessToken({ id: 2, email: 'user@example.org', role: 'user' } as UserRow)
  t.equal((await send({ authorization: `Bearer ${token}` })).statusCode, 403)
})
