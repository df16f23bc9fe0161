import net from 'node:net'
import t from 'tap'
import type { Teardown } from './support/app.ts'
import { keepLoading } from './support/load.ts'
import { databaseReady, run, startServer } from './support/process.ts'
import { startRedis } from './support/redis.ts'
import { until } from './support/until.ts'
import { clientsOf, pidsOf, type WorkerClient } from './support/workers.ts'
import { startCollector } from './telemetry/collectors.ts'

const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' }
const page = '/v1/animes?type=TV&limit=5'

/** A service of two workers, and a client of each. */
async function startTwo(t: Teardown, env: NodeJS.ProcessEnv = {}) {
  const server = await startServer(t, { WORKERS: '2', ...env })
  await databaseReady(server.url)
  const clients = await clientsOf(t, server, 2)
  return { server, clients: clients as [WorkerClient, WorkerClient] }
}

async function signIn({ request }: WorkerClient): Promise<{ authorization: string }> {
  const body = { email: admin.ADMIN_EMAIL, password: admin.ADMIN_PASSWORD }
  const answer = await request('/v1/signin', { method: 'POST', body })
  return { authorization: `Bearer ${JSON.parse(answer.body).accessToken}` }
}

const numberIn = (metrics: string, name: string) =>
  Number(new RegExp(`^${RegExp.escape(name)} (.+)$`, 'm').exec(metrics)?.[1])

t.test('a wrong WORKERS, alone or with other settings, is one line and exit code 1', async (t) => {
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [
      { WORKERS: 'abc' },
      /^WORKERS: got "abc", wants a number of processes from 1 to 99, or auto\n$/,
    ],
    [{ WORKERS: '0' }, /^WORKERS: got "0", wants [^\n]+\n$/],
    [{ WORKERS: '2', CACHE_TTL: '0' }, /^CACHE_TTL: got "0", [^\n]+\n$/],
    [{ WORKERS: '2', DATABASE_URL: 'sqlite:/' }, /^DATABASE_URL: cannot be opened: [^\n]+\n$/],
    [
      { WORKERS: '2', DATABASE_URL: 'mssql://u:p@127.0.0.1:9/anime', JWT_SECRET: 'x'.repeat(32) },
      /^REDIS_URL: got none, wants one that the WORKERS share [^\n]+\n$/,
    ],
  ]
  for (const [env, line] of cases) {
    const { exited, stderr, stdout } = run(t, 'server.ts', [], { PORT: '0', ...env })
    t.equal((await exited).code, 1, JSON.stringify(env))
    t.match(stderr(), line)
    t.equal(stdout(), '')
  }
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const PORT = String((taken.address() as net.AddressInfo).port)
  const { exited, stderr } = run(t, 'server.ts', [], { WORKERS: '2', PORT })
  t.equal((await exited).code, 1)
  t.equal(stderr(), `PORT: got ${PORT}, wants one that nothing on 127.0.0.1 listens on yet\n`)
})

t.test('auto is a worker for each core, and 1 is the service itself', async (t) => {
  const { availableParallelism } = await import('node:os')
  const many = await startServer(t, { WORKERS: 'auto' })
  const wanted = availableParallelism()
  await until('all are there', () => pidsOf(many).length === (wanted > 1 ? wanted : 0))
  const one = await startServer(t, { WORKERS: '1' })
  t.strictSame(pidsOf(one), [])
})

t.test('metrics, monitor and cache show the whole, whichever worker answers', async (t) => {
  const { clients } = await startTwo(t, admin)
  const [a, b] = clients
  // First: without Redis each commit of one worker empties the memory of the others.
  const headers = await signIn(a)
  // A miss in each worker, and 3 + 5 hits.
  for (let n = 0; n < 4; n += 1) t.equal((await a.request(page)).status, 200)
  for (let n = 0; n < 6; n += 1) t.equal((await b.request(page)).status, 200)
  const labels = 'method="GET",route="/v1/animes",status="2xx"'
  for (const { request } of clients) {
    const { status, body: metrics, headers: fields } = await request('/metrics')
    t.equal(status, 200)
    t.match(fields['content-type'], /^text\/plain; version=0\.0\.4/)
    t.equal(numberIn(metrics, 'cache_hits_total'), 8)
    t.equal(numberIn(metrics, 'cache_misses_total'), 2)
    t.equal(numberIn(metrics, 'cache_entries'), 4, 'a page and its total, twice')
    t.equal(numberIn(metrics, 'database_up'), 1)
    const hits = `http_server_request_duration_seconds_count{${labels},cache="hit"}`
    t.equal(numberIn(metrics, hits), 8)
    const all = `http_server_request_duration_seconds_bucket{${labels},cache="hit",le="+Inf"}`
    t.equal(numberIn(metrics, all), 8)
    t.ok(numberIn(metrics, 'nodejs_eventloop_utilization') <= 1)
  }
  const snapshots = await Promise.all(clients.map(({ request }) => request('/monitor/data')))
  const [one, two] = snapshots.map(({ body }) => JSON.parse(body))
  t.match(one, { requests: { hit: { count: 8 }, miss: { count: 2 } }, statuses: { '2xx': 11 } })
  t.match(one, { cache: { hits: 8, entries: 4 }, up: { database: true } })
  t.equal(
    one.requests.hit.buckets.reduce((x: number, y: number) => x + y),
    8,
  )
  t.equal(two.instance, one.instance)
  t.strictSame(two.requests, one.requests)

  for (const { request } of clients) {
    const { totals, data } = JSON.parse((await request('/v1/cache', { headers })).body)
    t.match(totals, { hits: 8, misses: 2, hitRatio: 0.8, entries: 4, redis: 'unset' })
    const rows = data.filter(({ key }: { key: string }) => key === 'animes:limit=5&type=TV')
    t.match(rows, [{ tier: 'memory', hits: 8 }])
    t.equal(rows.length, 1, 'two copies are one row')
  }
})

for (const withRedis of [false, true]) {
  const how = withRedis ? 'over Redis' : 'without Redis'
  t.test(`what one worker writes or purges the other shows at once, ${how}`, async (t) => {
    const redis = withRedis ? { REDIS_URL: (await startRedis(t)).url } : {}
    const { clients } = await startTwo(t, { ...admin, ...redis })
    const headers = await signIn(clients[0])
    const isHit = async ({ request }: WorkerClient) =>
      /; hit/.test(String((await request(page)).headers['cache-status']))
    const warm = () =>
      until('both hold it', async () => (await isHit(clients[0])) && (await isHit(clients[1])))
    const post = { method: 'POST', headers, body: { title: 'One', type: 'TV' } }
    const { id } = JSON.parse((await clients[0].request('/v1/animes', post)).body)
    for (let n = 1; n <= 40; n += 1) {
      const [writer, reader] = n % 2 === 0 ? clients : [clients[1], clients[0]]
      await reader.request(`/v1/animes/${id}`)
      const body = { title: `Title ${n}` }
      const written = await writer.request(`/v1/animes/${id}`, { method: 'PATCH', headers, body })
      t.equal(written.status, 200)
      t.equal(JSON.parse((await reader.request(`/v1/animes/${id}`)).body).title, `Title ${n}`)
    }
    for (const query of ['', '?key=animes:limit=5%26type=TV']) {
      await warm()
      t.equal(
        (await clients[0].request(`/v1/cache${query}`, { method: 'DELETE', headers })).status,
        204,
      )
      const { body } = await clients[1].request('/v1/cache', { headers })
      const held = JSON.parse(body).data.map(({ key }: { key: string }) => key)
      t.notOk(held.includes('animes:limit=5&type=TV'), 'nowhere a copy')
      if (query === '') t.strictSame(held, [])
      t.notOk(await isHit(clients[1]))
    }
  })
}

t.test('a worker that dies is replaced, and the others go on', async (t) => {
  const { server, clients } = await startTwo(t)
  const [victim, other] = clients
  process.kill(victim.pid, 'SIGKILL')
  const starts = () => server.stdout().match(/Server listening/g)?.length
  const fresh = async () => {
    const answer = await fetch(`${server.url}${page}`, { headers: { connection: 'close' } })
    t.equal(answer.status, 200, 'nobody meets a worker that is not ready')
    await answer.arrayBuffer()
  }
  await until('the dead one is gone', () => !pidsOf(server).includes(victim.pid))
  await until('another is there', async () => {
    t.equal((await other.request(page)).status, 200)
    await fresh()
    return starts() === 3
  })
  for (let n = 0; n < 50; n += 1) await fresh()
  t.match(server.stdout(), `worker ${victim.pid} ended (SIGKILL): another is started in 100 ms`)
  const replaced = await clientsOf(t, server, 2)
  for (const { request } of replaced) t.equal((await request(page)).status, 200)
  const { body } = await other.request('/metrics')
  t.ok(numberIn(body, 'cache_misses_total') >= 2, 'the new one counts too')
  t.strictSame(await server.stop(), { code: 0, signal: null })
})

t.test('a worker without a database does not listen beside one that does', async (t) => {
  const redis = await startRedis(t)
  const server = await startServer(t, {
    WORKERS: '2',
    DATABASE_URL: 'mssql://u:p@127.0.0.1:9/anime',
    JWT_SECRET: 'x'.repeat(32),
    REDIS_URL: redis.url,
  })
  const tries = (pid: number) =>
    server.stdout().match(new RegExp(`"pid":${pid},.*the database is not there yet`, 'g'))
      ?.length ?? 0
  await until(
    'both have tried to connect, and tried again',
    () => pidsOf(server).length === 2 && pidsOf(server).every((pid) => tries(pid) >= 2),
    60_000,
  )
  t.equal(server.stdout().match(/Server listening/g)?.length, 1)
  t.strictSame(await server.stop(), { code: 0, signal: null })
})

t.test('workers that die again and again end the service', async (t) => {
  const server = await startServer(t, { WORKERS: '2' })
  await databaseReady(server.url)
  const killer = setInterval(() => {
    if (server.child.exitCode === null) for (const pid of pidsOf(server)) kill(pid)
  }, 50)
  t.teardown(() => clearInterval(killer))
  const { code } = await server.exited
  t.equal(code, 1)
  t.match(server.stdout(), /worker \d+ ended \(SIGKILL\), as 5 before it: giving up/)
  t.match(server.stdout(), /another is started in 1600 ms/, 'more slowly each time')
})

function kill(pid: number) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

t.test('SIGTERM and SIGINT lose no request under load', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { server } = await startTwo(t)
    const paths = Array.from({ length: 40 }, (_, index) =>
      index % 8 === 0 ? `/v1/animes?minYear=${1960 + index}` : '/v1/animes?limit=20',
    )
    const { seen, lost, tooSlow, ended } = keepLoading(t, server.url, paths)
    await until('the load is on', () => seen.ok > 1000)
    const before = seen.ok
    const pids = pidsOf(server)
    server.child.kill(signal)
    // As a terminal or a platform does that signals every process.
    for (const pid of pids) process.kill(pid, signal)
    await ended
    t.strictSame(await server.exited, { code: 0, signal: null })
    t.strictSame(lost, [], { skip: tooSlow() })
    t.ok(seen.ok > before, 'requests under way were answered')
    t.equal(server.stdout().match(/: closing/g)?.length, 3)
  }
})

t.test('an address gets its limit from all workers together, and hardly more', async (t) => {
  const limit = 100
  const { clients } = await startTwo(t, { RATE_LIMIT_MAX: String(limit), TRUST_PROXY: '1' })
  const minute = () => Math.floor(Date.now() / 60_000)
  /** How many of 300 requests pass, by turns or through one worker; counted within one window. */
  async function passed(turns: WorkerClient[], address: string): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      const started = minute()
      const headers = { 'x-forwarded-for': `10.0.${attempt}.${address}` }
      const answers = await Promise.all(
        Array.from({ length: 300 }, (_, n) => turns[n % turns.length]!.request(page, { headers })),
      )
      if (started === minute()) return answers.filter(({ status }) => status === 200).length
    }
  }
  const both = await passed(clients, '1')
  // A step is 100 / (20 * 2) = 2 requests: 1 * (2 * 2 - 1) too many at most.
  t.ok(both >= limit && both <= limit + 3, `${both} of ${limit}`)
  t.equal(await passed([clients[0]], '2'), limit, 'one worker alone serves all of it')
})

t.test('sign-ins are counted exactly, whichever worker they reach', async (t) => {
  const { clients } = await startTwo(t)
  const body = { email: 'nobody@example.com', password: 'a wrong password' }
  const tries = Array.from({ length: 24 }, (_, n) =>
    clients[n % 2]!.request('/v1/signin', { method: 'POST', body }),
  )
  const statuses = (await Promise.all(tries)).map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 401).length, 10)
  t.equal(statuses.filter((status) => status === 429).length, 14)
})

t.test(
  'each worker exports telemetry under a name of its own, whatever name it was given',
  async (t) => {
    const collector = await startCollector(t)
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=west' }
    const { clients } = await startTwo(t, { ...collector.env, ...attributes })
    for (const { request } of clients) await request('/v1/animes?limit=1')
    const names = () => new Set(collector.spans.map((span) => span.resource['service.instance.id']))
    await until('the spans of both', () => names().size >= 2)
    t.strictSame(names(), new Set(clients.map(({ pid }) => `west:${pid}`)))
  },
)
