import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { serverOptions } from '../../plugins/connections.ts'
import { startApp } from '../support/app.ts'

async function listening(t: Test, env: NodeJS.ProcessEnv = {}) {
  const app = await startApp(t, env)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return async () => {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
}

async function textUntilEnd(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'close')
  return text
}

t.test('a header that is half sent gets 408, and its connection ends', async (t) => {
  const { http, requestTimeout } = serverOptions
  t.teardown(() => Object.assign(serverOptions, { http, requestTimeout }))
  Object.assign(serverOptions, {
    http: { headersTimeout: 100, connectionsCheckingInterval: 20 },
    requestTimeout: 200,
  })
  const open = await listening(t)
  const half = await open()
  half.write('GET /v1/types HTTP/1.1\r\nhost: x\r\n')
  t.match(await textUntilEnd(half), /^HTTP\/1\.1 408 .*"code":"REQUEST_TIMEOUT"/s)
  const body = await open()
  body.write(
    'POST /v1/signin HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  )
  t.match(await textUntilEnd(body), /^HTTP\/1\.1 408 /)
})

t.test('connections beyond the bound are closed at once', async (t) => {
  const open = await listening(t, { MAX_CONNECTIONS: '3' })
  const kept = [await open(), await open(), await open()]
  const refused = await open()
  await once(refused.resume(), 'close')
  kept[0]!.write('GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  t.match(await textUntilEnd(kept[0]!), /^HTTP\/1\.1 200 /)
})
