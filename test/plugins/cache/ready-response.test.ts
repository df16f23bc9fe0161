import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { ReadyResponse } from '../../../plugins/cache/ready-response.ts'
import { startApp, type TestAppOptions } from '../../support/app.ts'
import { until } from '../../support/until.ts'

const path = '/v1/animes?limit=5'
const get = (...fields: string[]) =>
  [`GET ${path} HTTP/1.1`, 'host: x', ...fields, '', ''].join('\r\n')

/** A service that has a page in its cache, and connections to it. */
async function listening(t: Test, options: TestAppOptions = {}) {
  const app = await startApp(t, {}, { titles: 50, ...options })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await app.inject(path)
  const { port } = app.server.address() as AddressInfo
  async function open() {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1')
    t.teardown(() => socket.destroy())
    const client = { socket, text: '', closed: once(socket, 'close') }
    socket.on('data', (text: unknown) => {
      client.text += text
    })
    await once(socket, 'connect')
    return client
  }
  return { app, open }
}

/** The answers that have come completely. */
const answers = (text: string) =>
  text.split(/(?=HTTP\/1\.1 )/).filter((answer) => {
    const [head = '', body] = answer.split('\r\n\r\n')
    return body?.length === Number(/^content-length: (\d+)/m.exec(head)?.[1])
  })

/** Counts the hits that leave as one text. */
function countReady(t: Test) {
  const { prototype } = ReadyResponse
  const { sendReady } = prototype
  const counts = { ready: 0, other: 0 }
  prototype.sendReady = function (text) {
    const sent = sendReady.call(this, text)
    counts[sent ? 'ready' : 'other'] += 1
    return sent
  }
  t.teardown(() => {
    prototype.sendReady = sendReady
  })
  return counts
}

/** An answer without what changes from second to second. */
const lasting = (text: string) =>
  text
    .replace(/^(Date: ).*$/m, '$1')
    .replace(/^(age: )\d+/m, '$1')
    .replace(/(; ttl=)\d+/, '$1')

t.test('a hit that leaves as one text is, byte for byte, what Node sends', async (t) => {
  const counts = countReady(t)
  const { open } = await listening(t)
  const client = await open()
  for (const fields of [[], ['connection: keep-alive'], ['connection: Keep-Alive']]) {
    const before = answers(client.text).length
    client.socket.write(get(...fields))
    await until('an answer', () => answers(client.text).length > before)
  }
  t.same(counts, { ready: 2, other: 1 })
  const [first, second, byNode] = answers(client.text).map(lasting)
  t.match(byNode, /; hit; /)
  t.equal(first, byNode)
  t.equal(second, byNode)
})

t.test('what Node has to see to, it sees to', async (t) => {
  const counts = countReady(t)
  const { open } = await listening(t)
  for (const [name, request, wanted] of [
    ['Connection: close', get('connection: close'), /Connection: close\r\n(.*\r\n)*\r\n\{.*\}$/],
    [
      'HTTP/1.0',
      `GET ${path} HTTP/1.0\r\nhost: x\r\n\r\n`,
      /Connection: close\r\n(.*\r\n)*\r\n\{.*\}$/,
    ],
  ] as const) {
    const client = await open()
    client.socket.write(request)
    await client.closed
    t.match(client.text, wanted, name)
  }
  t.equal(counts.ready, 0)
})

t.test('pipelined hits keep their order, however slowly they are read', async (t) => {
  const counts = countReady(t)
  const { app, open } = await listening(t)
  const client = await open()
  client.socket.pause()
  const count = 3000
  client.socket.write(get().repeat(count))
  await until('the server waits for the reader', async () => counts.ready + counts.other > 100)
  client.socket.resume()
  await until('all answers', () => answers(client.text).length === count)
  t.ok(counts.ready > 0 && counts.other > 0)
  t.equal(hitsOf(app), count)
})

const hitsOf = (app: FastifyInstance) =>
  app.metrics.durations.histograms
    .filter(({ cache }) => cache === 'hit')
    .reduce((sum, { count }) => sum + count, 0)

t.test('a connection is idle after a hit', async (t) => {
  const counts = countReady(t)
  let closed = 0
  const { app, open } = await listening(t, {
    prepare(app) {
      app.server.keepAliveTimeout = 500
      app.server.on('request', (_request, response) =>
        response.once('close', () => {
          closed += 1
        }),
      )
    },
  })
  const hit = async (client: Awaited<ReturnType<typeof open>>) => {
    client.socket.write(get())
    await until('an answer', () => answers(client.text).length === 1)
  }
  const forgotten = await open()
  await hit(forgotten)
  await forgotten.closed
  const idle = await open()
  await hit(idle)
  app.server.closeIdleConnections()
  await idle.closed
  t.same(
    { counts, closed, counted: hitsOf(app) },
    { counts: { ready: 2, other: 0 }, closed: 2, counted: 2 },
  )
})

t.test('a service that closes says so with a hit', async (t) => {
  const counts = countReady(t)
  const { app, open } = await listening(t)
  const client = await open()
  client.socket.write(get())
  await until('an answer', () => answers(client.text).length === 1)
  const closing = app.close()
  await until('it closes', () => app.closing)
  client.socket.write(get())
  await client.closed
  const [first, second] = answers(client.text)
  t.match(first, /Connection: keep-alive/)
  t.match(second, /Connection: close.*; hit; /s)
  t.same(counts, { ready: 1, other: 1 })
  await closing
})
