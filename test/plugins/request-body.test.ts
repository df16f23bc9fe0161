import { gzipSync } from 'node:zlib'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { bearer } from '../support/accounts.ts'
import { startApp } from '../support/app.ts'

type Fields = Record<string, string>

t.test('a request without a body may name any content type', async (t) => {
  const app = await startApp(t, {}, { titles: 6 })
  const admin = bearer(app, 'admin')
  const remove = (id: number, headers: Fields) =>
    app.inject({ method: 'DELETE', url: `/v1/animes/${id}`, headers: { ...admin, ...headers } })
  // What axios, fetch wrappers, httpx and forms send along.
  for (const [id, headers] of [
    [1, { 'content-type': 'application/json' }],
    [2, { 'content-type': 'application/json', 'content-length': '0' }],
    [3, { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' }],
  ] as const) {
    t.equal((await remove(id, headers)).statusCode, 204, JSON.stringify(headers))
  }
  const get = await app.inject({
    url: '/v1/animes/4',
    headers: { 'content-type': 'application/json' },
  })
  t.equal(get.statusCode, 200)
  const post = await app.inject({
    method: 'POST',
    url: '/v1/animes',
    headers: { ...admin, 'content-type': 'application/json' },
  })
  t.equal(post.statusCode, 400, 'where one is needed, its absence is a mistake')
  t.match(post.json().detail, /body must be object/)
})

t.test('a change may come as JSON Merge Patch, and 415 says what is taken', async (t) => {
  const app = await startApp(t, {}, { titles: 2 })
  const send = (method: 'PATCH' | 'POST', type: string, rest: Partial<InjectOptions> = {}) =>
    app.inject({
      method,
      url: method === 'PATCH' ? '/v1/animes/1' : '/v1/animes',
      headers: { ...bearer(app, 'admin'), 'content-type': type },
      payload: JSON.stringify({ title: 'Renamed', score: null }),
      ...rest,
    })
  const patched = await send('PATCH', 'application/merge-patch+json')
  t.equal(patched.statusCode, 200)
  t.match(patched.json(), { title: 'Renamed', score: null })
  t.equal(
    (await send('PATCH', 'application/merge-patch+json', { payload: '{' })).statusCode,
    400,
    'one that is no JSON is a mistake',
  )
  const acceptPatch = 'application/json, application/merge-patch+json'
  for (const type of ['text/plain', 'application/xml', 'application/json-patch+json']) {
    const refused = await send('PATCH', type)
    t.equal(refused.statusCode, 415, type)
    t.equal(refused.headers['accept-patch'], acceptPatch)
    t.match(refused.json(), { code: 'UNSUPPORTED_MEDIA_TYPE' })
  }
  const post = await send('POST', 'application/merge-patch+json')
  t.equal(post.statusCode, 415)
  t.equal(post.headers.accept, 'application/json')
  const options = await app.inject({ method: 'OPTIONS', url: '/v1/animes/1' })
  t.equal(options.statusCode, 204)
  t.equal(options.headers.allow, 'DELETE, GET, HEAD, PATCH')
  t.equal(options.headers['accept-patch'], acceptPatch)
  t.equal((await app.inject({ method: 'OPTIONS', url: '/nothing' })).statusCode, 404)
})

t.test('a compressed body is 415, which says that none is taken', async (t) => {
  const app = await startApp(t)
  const send = (coding: string, payload: string | Buffer) =>
    app.inject({
      method: 'POST',
      url: '/v1/animes',
      headers: {
        ...bearer(app, 'admin'),
        'content-type': 'application/json',
        'content-encoding': coding,
      },
      payload,
    })
  const body = JSON.stringify({ title: 'Frieren' })
  const refused = await send('gzip', gzipSync(body))
  t.equal(refused.statusCode, 415)
  t.equal(refused.headers['accept-encoding'], 'identity')
  t.equal((await send('identity', body)).statusCode, 201)
})
