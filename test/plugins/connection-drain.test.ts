import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { startApp } from '../support/app.ts'
import { until } from '../support/until.ts'

/** A service with a route that answers when `finish` is called, and a way to send it bytes. */
async function listening(t: Test) {
  const work = Promise.withResolvers<string>()
  const app = await startApp(t, {}, { prepare: (app) => void app.get('/slow', () => work.promise) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  async function send(bytes: string) {
    const socket = connect(port, '127.0.0.1').setEncoding('utf8')
    t.teardown(() => socket.destroy())
    const client = { text: '', socket, closed: once(socket, 'close') }
    socket.on('data', (text) => {
      client.text += text
    })
    await once(socket, 'connect')
    socket.write(bytes)
    return client
  }
  return { app, send, finish: work.resolve }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`
const half = 'GET /health/live HTTP/1.1\r\nho'

t.test(
  'what a slow client is still being sent is sent to the end',
  { timeout: 30_000 },
  async (t) => {
    const bytes = 32_000_000
    const app = await startApp(
      t,
      {},
      {
        prepare: (app) =>
          void app.get(
            '/large',
            {
              // As a hit of the cache: it answers before the handler.
              onRequest: (_request, reply) => {
                reply.hijack()
                reply.raw.writeHead(200, { 'content-length': bytes }).end(Buffer.alloc(bytes, 'x'))
              },
            },
            () => '',
          ),
      },
    )
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    let received = 0
    socket.on('data', (chunk) => {
      // It reads on only when connections without requests have been closed.
      if (received === 0) {
        socket.pause()
        setTimeout(() => socket.resume(), 1500)
      }
      received += chunk.length
    })
    socket.write(get('/large'))
    await until('it has begun', () => received > 0)
    await Promise.all([app.close(), once(socket, 'close')])
    t.ok(received > bytes, `${received} bytes`)
  },
)

t.test('connections that wait to be accepted are answered', { timeout: 20_000 }, async (t) => {
  const { app } = await listening(t)
  const { port } = app.server.address() as AddressInfo
  const clients = Array.from({ length: 30 }, () => {
    const socket = connect(port, '127.0.0.1').setEncoding('utf8')
    const client = { text: '', ended: once(socket, 'close') }
    socket.on('data', (text) => {
      client.text += text
    })
    socket.on('error', (error) => {
      client.text += error.message
    })
    socket.write(get('/health/live'))
    return client
  })
  // The kernel establishes them while the event loop stands still.
  const end = performance.now() + 200
  while (performance.now() < end);
  await app.close()
  await Promise.all(clients.map(({ ended }) => ended))
  const lost = clients.filter(({ text }) => !text.startsWith('HTTP/1.1 200 OK'))
  t.same(lost, [])
})

// Without the plugin, Node waits for the second 30 s, for the third 72 s.
t.test('closing does not wait for requests that are half sent', { timeout: 20_000 }, async (t) => {
  const { app, send } = await listening(t)
  const clients = [await send(''), await send(half), await send(get('/health/live') + half)]
  const unknown = await send(get('/none'))
  const gone = await send(get('/slow'))
  gone.socket.destroy()
  await until('an answer', () => clients[2]!.text.includes('200 OK'))
  await until('the other', () => unknown.text.includes('404 Not Found'))
  await app.close()
  await Promise.all(clients.map(({ closed }) => closed))
})

t.test('running requests are answered first, then closed', { timeout: 20_000 }, async (t) => {
  const { app, send, finish } = await listening(t)
  const running = await send(get('/slow'))
  await send(half)
  const live = await send(get('/health/live'))
  await until('the requests have come', () => live.text.includes('200 OK'))
  const closed = app.close()
  await live.closed
  t.equal(running.text, '')
  finish('done')
  await running.closed
  t.match(running.text, /^HTTP\/1\.1 200 OK.*done$/s)
  await closed
})
