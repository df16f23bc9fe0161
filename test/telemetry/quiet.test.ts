import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { freePort } from '../support/free-port.ts'
import { databaseReady, root, run, startServer } from '../support/process.ts'
import { watched } from './collectors.ts'

/** A server that takes connections and never answers. */
async function startSilence(t: Teardown): Promise<number> {
  const port = await freePort()
  const sockets = new Set<{ destroy: () => void }>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return port
}

t.test('without an address to send to, nothing of OpenTelemetry is loaded', async (t) => {
  const spy = join(temporaryFolder(t), 'spy.mjs')
  writeFileSync(
    spy,
    `import { registerHooks } from 'node:module'
    registerHooks({ resolve(specifier, context, next) {
      const found = next(specifier, context)
      if (/opentelemetry|@fastify.otel/.test(found.url)) console.error('loaded', found.url)
      return found
    } })`,
  )
  const preload = pathToFileURL(join(root, 'telemetry.ts')).href
  const server = await startServer(t, { NODE_OPTIONS: `--import=${spy} --import=${preload}` })
  await (await fetch(`${server.url}/health/live`)).text()
  const problem = (await (await fetch(`${server.url}/nowhere`)).json()) as object
  t.notOk('traceId' in problem)
  t.match(await server.stop(), { code: 0 })
  t.equal(server.stderr(), '')
})

for (const [name, open] of [
  ['refuses', async () => freePort()],
  ['never answers', startSilence],
] as const) {
  t.test(`a collector that ${name} costs requests nothing, and the end little`, async (t) => {
    const endpoint = `http://127.0.0.1:${await open(t)}`
    const server = await startServer(t, watched({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }))
    await databaseReady(server.url)
    const times: number[] = []
    for (let count = 0; count < 300; count += 1) {
      const started = performance.now()
      const answer = await fetch(`${server.url}/v1/animes?limit=20`)
      await answer.text()
      times.push(performance.now() - started)
      if (answer.status !== 200) t.fail(`status ${answer.status}`)
    }
    times.sort((a, b) => a - b)
    t.ok(times[150]! < 50, `half of them within ${times[150]!.toFixed(1)} ms`)
    const stopping = performance.now()
    t.match(await server.stop(), { code: 0 })
    t.ok(performance.now() - stopping < 6000, 'it stops within the bound')
  })
}

for (const [name, value, wanted] of [
  ['OTEL_TRACES_SAMPLER_ARG', '5', 'got "5", wants a share of the traces, from 0 to 1'],
  [
    'APPLICATIONINSIGHTS_CONNECTION_STRING',
    'InstrumentationKey=secret',
    'got a value of 25 characters, wants InstrumentationKey=...;IngestionEndpoint=https://...',
  ],
  [
    'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
    'Authorization=Key',
    'wants Authorization=AAD or Authorization=AAD;ClientId=...',
  ],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'wants http://HOST:PORT or https://HOST:PORT'],
] as const) {
  t.test(`a wrong ${name} is told when the service starts`, async (t) => {
    const { exited, stderr } = run(t, 'server.ts', [], watched({ PORT: '0', [name]: value }))
    t.match(await exited, { code: 1 })
    t.match(stderr(), `${name}: `)
    t.match(stderr(), wanted)
    t.notMatch(stderr(), 'secret')
  })
}
