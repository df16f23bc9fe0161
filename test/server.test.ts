import { mkdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openDatabase } from '../db/database.ts'
import { catalogueSize } from '../db/import/generate.ts'
import { migrate } from '../db/migrate.ts'
import { temporaryFolder } from './support/app.ts'
import { keepLoading } from './support/load.ts'
import { databaseReady, run, type Server, startServer } from './support/process.ts'
import { until } from './support/until.ts'

const totalOf = async ({ url }: Server) => {
  const answer = await fetch(`${url}/v1/animes?limit=1`)
  return ((await answer.json()) as { total: number }).total
}

const linesOf = (server: Server) =>
  server
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

t.test(
  'a first start on an empty machine fills the catalogue, a second one finds it',
  async (t) => {
    const first = await startServer(t)
    await databaseReady(first.url)
    t.equal(await totalOf(first), catalogueSize)
    t.match(first.stdout(), /the database is empty: making 20238 titles/)
    t.match(first.stdout(), /Server listening at .*API .*\/v1\/animes\?limit=20, docs .*\/docs/)
    t.equal((await first.stop()).code, 0)
    const second = await startServer(t, {}, first.folder)
    await databaseReady(second.url)
    t.equal(await totalOf(second), catalogueSize)
    t.notMatch(second.stdout(), /making/)
    t.equal((await second.stop()).code, 0)
  },
)

t.test('several processes started at once on one empty file fill it once', async (t) => {
  const folder = temporaryFolder(t)
  const servers = await Promise.all([1, 2, 3, 4].map(() => startServer(t, {}, folder)))
  await Promise.all(servers.map(({ url }) => databaseReady(url)))
  for (const server of servers) t.equal(await totalOf(server), catalogueSize)
  const filled = servers.filter(({ stdout }) => /made 20238 titles/.test(stdout()))
  t.equal(filled.length, 1, 'by one of them')
  for (const server of servers) {
    t.strictSame(await server.stop(), { code: 0, signal: null })
    t.notMatch(server.stdout(), /"level":(50|60)/, 'without an error')
  }
})

/** A database in `folder` that another process holds; `release` lets go. */
async function heldDatabase(folder: string, { migrated }: { migrated: boolean }) {
  mkdirSync(join(folder, '.data'))
  const path = join(folder, '.data/anime.db')
  if (migrated) {
    const database = await openDatabase(`sqlite:${path}`)
    await migrate(database)
    await database.writer
      .insertInto('animes')
      .values({
        title: 'Held',
        type: 'TV',
        genres: '[]',
      })
      .execute()
    await database.close()
  }
  const holder = new DatabaseSync(path)
  holder.exec('pragma journal_mode = wal; begin immediate')
  return {
    release: () => {
      holder.exec('commit')
      holder.close()
    },
  }
}

t.test('the port answers before the database can be used', async (t) => {
  const folder = temporaryFolder(t)
  const { release } = await heldDatabase(folder, { migrated: false })
  const server = await startServer(t, {}, folder)
  t.equal((await fetch(`${server.url}/health/live`)).status, 200)
  const ready = await fetch(`${server.url}/health/ready`)
  t.equal(ready.status, 503)
  t.match(ready.headers.get('retry-after'), /^\d+$/)
  t.match(await ready.json(), { status: 'starting', database: 'migrating' })
  for (const path of ['/v1/animes', '/v1/animes/1', '/v1/types', '/v1/stats']) {
    const answer = await fetch(`${server.url}${path}`)
    t.equal(answer.status, 503, path)
    t.match(answer.headers.get('retry-after'), /^\d+$/)
    t.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.match(await answer.json(), { status: 503, detail: /^the schema of the database is being/ })
  }
  t.equal((await fetch(`${server.url}/v1/animes?limit=x`)).status, 400, 'a mistake is still 400')
  release()
  await databaseReady(server.url)
  t.equal(await totalOf(server), catalogueSize)
  t.equal((await server.stop()).code, 0)
})

t.test('a start needs no turn while an import holds the database', async (t) => {
  const folder = temporaryFolder(t)
  const { release } = await heldDatabase(folder, { migrated: true })
  const server = await startServer(t, {}, folder)
  await databaseReady(server.url)
  t.equal(await totalOf(server), 1)
  release()
  t.equal((await server.stop()).code, 0)
})

t.test('SIGTERM loses no request under load', async (t) => {
  const server = await startServer(t)
  await databaseReady(server.url)
  const paths = Array.from({ length: 40 }, (_, index) =>
    index % 8 === 0 ? `/v1/animes?minYear=${1960 + index}` : '/v1/animes?limit=20',
  )
  const { seen, lost, tooSlow, ended } = keepLoading(t, server.url, paths)
  await until('the load is on', () => seen.ok > 1000)
  const before = seen.ok
  const started = performance.now()
  const exit = server.stop()
  await ended
  t.strictSame(await exit, { code: 0, signal: null })
  const took = performance.now() - started
  t.ok(took < 10_000, `${Math.round(took)} ms`)
  t.strictSame(lost, [], { skip: tooSlow() })
  t.ok(seen.ok > before, 'requests under way were answered')
})

t.test('SIGTERM does not wait for idle connections', async (t) => {
  const server = await startServer(t)
  await databaseReady(server.url)
  const socket = net.connect(Number(new URL(server.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
  await new Promise((resolve) => socket.once('data', resolve))
  const started = performance.now()
  t.strictSame(await server.stop(), { code: 0, signal: null })
  t.ok(performance.now() - started < 2000)
})

t.test(
  'SIGTERM while the catalogue is being made ends well and leaves it empty or whole',
  async (t) => {
    const server = await startServer(t)
    t.strictSame(await server.stop(), { code: 0, signal: null })
    const again = await startServer(t, {}, server.folder)
    await databaseReady(again.url)
    t.equal(await totalOf(again), catalogueSize)
  },
)

t.test('a port that is taken is one line and exit code 1', async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const PORT = String((taken.address() as net.AddressInfo).port)
  const { exited, stderr } = run(t, 'server.ts', [], { PORT })
  t.equal((await exited).code, 1)
  t.equal(stderr(), `PORT: got ${PORT}, wants one that nothing on 127.0.0.1 listens on yet\n`)
})

t.test('a host that is not ours is one line and exit code 1', async (t) => {
  const { exited, stderr } = run(t, 'server.ts', [], { PORT: '0', HOST: '192.0.2.1' })
  t.equal((await exited).code, 1)
  t.equal(stderr(), 'HOST: got "192.0.2.1", wants a name or an address of this machine\n')
})

t.test('a database that cannot be opened is one line and exit code 1', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'text'), 'this is no database at all, only some text\n'.repeat(50))
  for (const path of [folder, join(folder, 'text'), join(folder, 'text/anime.db'), ':memory:']) {
    const { exited, stderr } = run(t, 'server.ts', [], {
      PORT: '0',
      DATABASE_URL: `sqlite:${path}`,
    })
    t.equal((await exited).code, 1, path)
    t.match(stderr(), /^DATABASE_URL: cannot be opened: [^\n]+\n$/)
  }
})

t.test('the log has a line for a miss and a failure, and none for a hit', async (t) => {
  const server = await startServer(t)
  await databaseReady(server.url)
  for (const path of ['/v1/types', '/v1/types', '/v1/types', '/v1/nothing', '/health/live']) {
    await (await fetch(`${server.url}${path}`)).arrayBuffer()
  }
  await server.stop()
  const requests = linesOf(server).filter(({ msg }) => msg === 'request')
  t.match(requests, [
    { level: 30, method: 'GET', url: '/v1/types', status: 200, ms: Number },
    { level: 30, method: 'GET', url: '/v1/nothing', status: 404, ms: Number },
  ])
  t.equal(requests.length, 2)
})
