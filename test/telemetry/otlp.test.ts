import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../support/app.ts'
import { databaseReady, root, startServer } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startCollector } from './collectors.ts'
import type { Span } from './protobuf.ts'

const page = '/v1/animes?type=TV&limit=3'

t.test('a request is one server span, with its lookup, SQL and Redis below it', async (t) => {
  const collector = await startCollector(t)
  const redis = await startRedis(t)
  const server = await startServer(t, {
    ...collector.env,
    REDIS_URL: redis.url,
    OTEL_RESOURCE_ATTRIBUTES: 'service.version=abc123',
  })
  await databaseReady(server.url)
  await until('the cache is in use', async () => {
    const { headers } = await fetch(`${server.url}${page}`)
    return headers.get('cache-status')?.includes('; hit')
  })
  const { spans } = collector
  const kids = ({ spanId }: Span) => spans.filter(({ parent }) => parent === spanId)
  const isServer = ({ kind }: Span) => kind === 2
  const of = (status: string) =>
    spans.find((s) => isServer(s) && s.attributes['anime_api.cache.status'] === status)

  const hit = await until('the span of a hit', () => of('hit'))
  t.equal(hit.name, 'GET /v1/animes')
  t.match(hit.attributes, {
    'http.request.method': 'GET',
    'http.route': '/v1/animes',
    'http.response.status_code': 200,
    'url.path': '/v1/animes',
    'url.query': 'type=TV&limit=3',
    'url.scheme': 'http',
    'client.address': '127.0.0.1',
    'anime_api.cache.key': 'animes:limit=3&type=TV',
  })
  t.match(hit.resource, { 'service.name': 'anime-api', 'service.version': 'abc123' })
  t.match(hit.resource['service.instance.id'], /:\d+$/)

  const lookup = await until('its lookup', () =>
    kids(hit).find(({ name }) => name === 'cache lookup'),
  )
  t.match(lookup.attributes, {
    'anime_api.cache.key': 'animes:limit=3&type=TV',
    'anime_api.cache.status': 'hit',
  })
  await until('the version read in Redis, below the lookup', () =>
    kids(lookup).find((s) => s.kind === 3 && s.attributes['db.system.name'] === 'redis'),
  )
  t.notOk(
    spans.some((s) => s.traceId === hit.traceId && s.attributes['db.system.name'] === 'sqlite'),
    'a hit asks no database',
  )

  const miss = await until('the span of a miss', () => of('miss') ?? of('bypass'))
  const query = await until('its query', () =>
    kids(miss).find((s) => s.attributes['db.system.name'] === 'sqlite'),
  )
  t.equal(query.name, 'SELECT animes')
  t.equal(query.kind, 3)
  t.match(query.attributes['db.query.text'], /^select .* from .*animes/)
  t.ok(query.start >= miss.start && query.end <= miss.end, 'the query lies within the request')

  await server.stop()
  t.same(
    spans
      .filter(({ attributes }) => attributes['db.system.name'] === 'redis')
      .map(({ attributes }) => String(attributes['db.query.text']))
      .filter((text) => !/^\w+ \{animes\}:@?\w+$/.test(text)),
    [],
    'commands are shown with their keys, and without the answers they store',
  )
  const traces = new Set(spans.filter(isServer).map(({ traceId }) => traceId))
  t.equal(spans.filter(isServer).length, traces.size, 'no server span is doubled')
  t.notOk(
    spans.some((s) => isServer(s) && String(s.attributes['http.route']).startsWith('/health')),
    'health is not traced',
  )
  const known = new Set(spans.map(({ spanId }) => spanId))
  t.same(
    spans.filter(({ parent }) => parent !== '' && !known.has(parent)).map(({ name }) => name),
    [],
    'every parent is there',
  )
  t.same(
    [...new Set(spans.filter(({ parent }) => parent === '').map(({ kind }) => kind))],
    [2],
    'what belongs to no request is no trace',
  )
})

t.test('settings of .env count as much as the environment', async (t) => {
  const collector = await startCollector(t)
  const redis = await startRedis(t)
  const { NODE_OPTIONS, ...settings } = collector.env
  const folder = temporaryFolder(t)
  const lines = Object.entries({ ...settings, REDIS_URL: redis.url })
  writeFileSync(join(folder, '.env'), lines.map(([name, value]) => `${name}=${value}\n`).join(''))
  const server = await startServer(t, { NODE_OPTIONS }, folder)
  let year = 1950
  await databaseReady(server.url)
  for (const system of ['sqlite', 'redis']) {
    await until(`a span of ${system} within a request`, async () => {
      await (await fetch(`${server.url}${page}&minYear=${year++}`)).arrayBuffer()
      return collector.spans.some((span) => span.attributes['db.system.name'] === system)
    })
  }
})

t.test('SQL Server’s driver is instrumented when DATABASE_URL stands in .env', async (t) => {
  const folder = temporaryFolder(t)
  const settings = [
    'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9',
    'DATABASE_URL=mssql://u:p@127.0.0.1:9/anime',
  ]
  writeFileSync(join(folder, '.env'), settings.join('\n'))
  const code =
    'console.log(Object.keys(require.cache).filter((path) => /node_modules.tedious/.test(path)).length)'
  const args = ['--import', join(root, 'telemetry.ts'), '--eval', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, env: {} })
  t.ok(Number(stdout) > 0, 'it is loaded through the hook, before the service imports it')
})

t.test('a caller’s trace goes on here; problems and log lines name it', async (t) => {
  const collector = await startCollector(t)
  const server = await startServer(t, collector.env)
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
  const answer = await fetch(`${server.url}/v1/animes?colour=red`, { headers })
  t.equal(answer.status, 400)
  t.equal(((await answer.json()) as { traceId: string }).traceId, traceId)
  await server.stop()
  t.match(
    collector.spans.find(({ kind }) => kind === 2),
    { traceId, parent: 'b7ad6b7169203331', attributes: { 'http.response.status_code': 400 } },
  )
  const lines = server.stdout().trim().split('\n')
  const line = lines.map((text) => JSON.parse(text)).find(({ msg }) => msg === 'request')
  t.equal(line.trace_id, traceId)
  t.match(
    collector.logs.find(({ body }) => body === 'request'),
    { traceId },
  )
  t.ok(
    collector.logs.some(({ body }) => body === 'SIGTERM: closing'),
    'the last line is sent too',
  )
})

t.test('the counters are OpenTelemetry metrics', async (t) => {
  const collector = await startCollector(t)
  const server = await startServer(t, collector.env)
  await databaseReady(server.url)
  for (let count = 0; count < 5; count += 1) await (await fetch(`${server.url}${page}`)).text()
  await fetch(`${server.url}/nowhere`)
  await server.stop()
  const last = (wanted: string, attributes = {}) =>
    collector.points.findLast(
      (point) =>
        point.name === wanted &&
        Object.entries(attributes).every(([name, value]) => point.attributes[name] === value),
    )?.value
  t.equal(last('anime_api.cache.hits'), 4)
  t.equal(last('anime_api.cache.misses'), 1)
  t.equal(last('anime_api.cache.bypasses'), 0)
  t.equal(last('anime_api.cache.invalidations'), 0)
  t.equal(last('anime_api.cache.stale_reads'), 0)
  t.equal(last('anime_api.cache.entries'), 2, 'a page and its total')
  t.equal(last('anime_api.database.up'), 1)
  t.ok(last('process.memory.usage')! > 1e7)
  const duration = 'http.server.request.duration'
  const route = { 'http.route': '/v1/animes', 'http.response.status_code': 200 }
  t.equal(last(duration, { ...route, 'anime_api.cache.status': 'hit' }), 4)
  t.equal(last(duration, { ...route, 'anime_api.cache.status': 'miss' }), 1)
  t.equal(last(duration, { 'http.response.status_code': 404 }), 1)
})

t.test('a share of the traces is kept; the rest has an id all the same', async (t) => {
  const collector = await startCollector(t)
  const server = await startServer(t, { ...collector.env, OTEL_TRACES_SAMPLER_ARG: '0.5' })
  const ask = async (traceparent: string) => {
    const answer = await fetch(`${server.url}/nowhere`, { headers: { traceparent } })
    return ((await answer.json()) as { traceId: string }).traceId
  }
  const low = `${'a'.repeat(24)}00000001`
  const high = `${'a'.repeat(24)}ffffffff`
  t.equal(await ask(`00-${low}-b7ad6b7169203331-01`), low)
  t.equal(await ask(`00-${high}-b7ad6b7169203331-01`), high, 'left out, and named')
  t.match(await ask('nonsense'), /^[\da-f]{32}$/)
  await server.stop()
  const kept = collector.spans.filter(({ kind }) => kind === 2).map(({ traceId }) => traceId)
  t.ok(kept.includes(low))
  t.notOk(kept.includes(high))
  t.ok(
    collector.logs.some(({ traceId }) => traceId === high),
    'its log lines name it',
  )
})
