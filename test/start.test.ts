import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { temporaryFolder } from './support/app.ts'
import { freePort } from './support/free-port.ts'
import { databaseReady, root, startServer } from './support/process.ts'

t.test('a start with SQLite alone loads what it uses, and no other part', async (t) => {
  const spy = join(temporaryFolder(t), 'spy.mjs')
  writeFileSync(
    spy,
    `import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) {
      loaded.push(url)
      return next(url, context)
    } })
    process.on('exit', () => console.error(JSON.stringify([...loaded, ...process.moduleLoadList])))`,
  )
  const server = await startServer(t, { NODE_OPTIONS: `--import=${pathToFileURL(spy)}` })
  await databaseReady(server.url)
  const list = await fetch(`${server.url}/v1/animes?limit=1`)
  t.match(await list.json(), { data: [{ title: String }] })
  t.match(await server.stop(), { code: 0 })
  const loaded = JSON.parse(server.stderr()) as string[]
  t.ok(loaded.some((url) => url.includes('node_modules/fastify/')))
  const parts = [
    /node_modules\/(@[^/]+\/)?(ioredis|redis|tedious|tarn|identity|firebase-admin)\//,
    /node_modules\/(@opentelemetry|@azure)\//,
    // Node's client for HTTP: 25 ms and 5 MiB.
    /internal\/deps\/undici/,
  ]
  t.strictSame(
    loaded.filter((name) => parts.some((part) => part.test(name))),
    [],
  )
})

const skip = process.platform === 'win32' && 'needs a POSIX shell'

t.test('SIGTERM to npm ends the service that npm started', { skip }, async (t) => {
  const port = await freePort()
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: `${port}`,
      DATABASE_URL: `sqlite:${join(temporaryFolder(t), 'anime.db')}`,
    },
    stdio: 'ignore',
    // A group of its own, of which nothing may be left.
    detached: true,
  })
  t.teardown(() => {
    try {
      process.kill(-npm.pid!, 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  await databaseReady(`http://127.0.0.1:${port}`)
  const exit = once(npm, 'exit')
  npm.kill('SIGTERM')
  await exit
  const next = createServer().listen(port, '127.0.0.1')
  t.teardown(() => next.close())
  await t.resolves(once(next, 'listening'), 'the port is free')
})
