import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { ReadyResponse } from '../../plugins/cache/ready-response.ts'
import { startApp } from '../support/app.ts'

const page = '/v1/animes?limit=20'
/** Ends each connection. */
const last = '/health/live'

/**
 * A service with two ways in: its own server, where hits are answered early, and one whose requests all go
 * through Fastify. `seen` counts the requests that Fastify's hooks have seen, but for `last`.
 */
async function twoWays(t: Test, settings: NodeJS.ProcessEnv = {}) {
  const lines: string[] = []
  const seen = { count: 0 }
  const app = await startApp(t, settings, {
    titles: 50,
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } },
    prepare: (app) =>
      void app.addHook('onRequest', async ({ url }) => {
        if (url !== last) seen.count += 1
      }),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const other = http.createServer({ ServerResponse: ReadyResponse }, app.routing as RequestListener)
  other.keepAliveTimeout = app.server.keepAliveTimeout
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const early = (app.server.address() as AddressInfo).port
  const usual = (other.address() as AddressInfo).port
  return { app, seen, lines, early, usual }
}

/** All that a server sends for a request, on a connection of its own. */
async function ask(port: number, path = page, fields: readonly string[] = [], method = 'GET') {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  const body = fields.includes('transfer-encoding: chunked') ? '0\r\n\r\n' : ''
  const end = `GET ${last} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
  socket.write([`${method} ${path} HTTP/1.1`, 'host: x', ...fields, '', body + end].join('\r\n'))
  const all = await text(socket)
  return all.slice(0, all.lastIndexOf('HTTP/1.1 200'))
}

/** An answer without what changes from second to second. */
const lasting = (answer: string) =>
  answer
    .replace(/^Date: .*$/m, 'Date')
    .replace(/^age: \d+/m, 'age')
    .replace(/; ttl=\d+/, '; ttl')

t.test('a hit is the same, byte for byte, early and through Fastify', async (t) => {
  const { early, usual, seen } = await twoWays(t)
  for (const path of [page, '/v1/animes', '/v1/animes/7', '/v1/stats', '/v1/types']) {
    const etag = /^etag: (.*)$/m.exec(await ask(usual, path))![1]
    for (const fields of [
      [],
      ['accept-encoding: zstd, gzip', 'accept: application/json'],
      ['accept-encoding: br', 'user-agent: x', 'connection: keep-alive'],
      [`if-none-match: ${etag}`],
      ['authorization: Bearer none', 'origin: https://example.com'],
    ]) {
      // Once more, since the coding may have to be made first.
      const through = [await ask(usual, path, fields), await ask(usual, path, fields)][1]!
      const before = seen.count
      const answer = await ask(early, path, fields)
      t.equal(seen.count, before, 'no hook has seen it')
      t.match(answer, /; hit; /)
      t.equal(lasting(answer), lasting(through), `${path} ${fields}`)
    }
  }
})

t.test('what is no hit of a GET goes through Fastify', async (t) => {
  const { early, usual, seen } = await twoWays(t)
  for (const [path, method, ...fields] of [
    [page, 'GET'],
    [page, 'HEAD'],
    ['/v1/animes?limit=x', 'GET'],
    ['/nowhere', 'GET'],
    [page, 'GET', 'if-match: "x"'],
    [page, 'GET', 'content-length: 0'],
  ] as const) {
    const before = seen.count
    const answer = await ask(early, path, fields, method)
    t.equal(seen.count, before + 1)
    const other = await ask(usual, path, fields, method)
    if (!/fwd=miss/.test(answer)) {
      t.equal(lasting(answer), lasting(other), `${method} ${path} ${fields}`)
    }
  }
  const coded = ['transfer-encoding: chunked', 'content-encoding: gzip']
  t.match(await ask(early, page, coded), /^HTTP\/1\.1 415 /)
})

const hitsOf = (app: FastifyInstance) =>
  app.metrics.durations.histograms
    .filter(({ cache }) => cache === 'hit')
    .map(({ method, route, status, count }) => ({ method, route, status, count }))

t.test('both ways are counted alike by metrics, limit and log', async (t) => {
  // Those that end the connections do not count.
  const { app, early, usual, lines } = await twoWays(t, { RATE_LIMIT_MAX: '10' })
  const statuses: string[] = []
  const send = async (port: number, fields: string[] = []) => {
    statuses.push((await ask(port, page, fields)).slice(9, 12))
  }
  await send(early)
  app.cache.memory.clear()
  // A miss of a URL that is known.
  await send(early)
  for (let n = 0; n < 3; n += 1) await send(early)
  for (let n = 0; n < 4; n += 1) await send(usual)
  t.same(hitsOf(app), [{ method: 'GET', route: '/v1/animes', status: 200, count: 7 }])
  await send(early, ['if-none-match: *'])
  for (const port of [early, usual, early]) await send(port)
  t.same(statuses, [...Array(9).fill('200'), '304', '429', '429', '429'])
  t.same(
    lines
      .map((line) => JSON.parse(line))
      .filter(({ url }) => url === page)
      .map(({ status }) => status),
    [200, 200, 429, 429, 429],
    'a line for each miss and for each refusal, and none for a hit',
  )
})

t.test('early-hits.ts knows of every hook that a hit passes by', async (t) => {
  const app = await startApp(t)
  const lines = app
    .printRoutes({ method: 'GET', includeHooks: true, commonPrefix: false })
    .split('\n')
  const at = lines.findIndex((line) => line.includes('v1/animes (GET)'))
  const hooks = lines.slice(at + 1, at + 5).map((line) => line.slice(line.indexOf('(')))
  const [onRequest, , , onResponse] = hooks
  t.equal(onRequest, '(onRequest) ["anonymous()","anonymous()","lookupByUrl()"]', 'limit, body')
  t.equal(onResponse, '(onResponse) ["anonymous()","release()","anonymous()"]', 'log, metrics')
})

t.test('the limit is that of the client behind a proxy, both ways', async (t) => {
  const { early, usual } = await twoWays(t, { RATE_LIMIT_MAX: '3', TRUST_PROXY: '1' })
  const from = async (address: string, port: number) => {
    const answer = await ask(port, page, [`x-forwarded-for: 6.6.6.6, ${address}`])
    return answer.slice(9, 12)
  }
  t.equal(await from('10.0.0.1', early), '200')
  t.equal(await from('10.0.0.1', early), '200')
  t.equal(await from('10.0.0.1', usual), '200')
  for (const port of [early, usual]) t.equal(await from('10.0.0.1', port), '429')
  for (const port of [early, usual]) t.equal(await from('10.0.0.2', port), '200')
})

t.test('where hooks do more than count, no hit passes them by', async (t) => {
  for (const settings of [{ READ_ROLE: 'user' }, { CORS_ORIGIN: 'https://example.com' }]) {
    const { early, seen } = await twoWays(t, settings)
    for (let n = 1; n <= 2; n += 1) {
      await ask(early)
      t.equal(seen.count, n, JSON.stringify(settings))
    }
  }
})
