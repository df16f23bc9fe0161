import t from 'tap'
import { bounds, createDurations } from '../../plugins/metrics/durations.ts'
import { startApp } from '../support/app.ts'

/** The samples of a text in Prometheus' format, by name and labels. */
async function scrape(app: Awaited<ReturnType<typeof startApp>>): Promise<Map<string, number>> {
  const answer = await app.inject('/metrics')
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const lines = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

const labels = (route: string, status: string, cache: string) =>
  `{method="GET",route="${route}",status="${status}",cache="${cache}"}`

t.test('/metrics counts what the cache did, and times requests by it', async (t) => {
  const app = await startApp(t, {}, { titles: 50 })
  for (let count = 0; count < 4; count += 1) await app.inject('/v1/animes?limit=5')
  await app.inject('/v1/animes?limit=0')
  await app.inject('/v1/animes/999999')
  await app.inject('/nowhere')
  const got = await scrape(app)
  t.equal(got.get('cache_hits_total'), 3)
  t.equal(got.get('cache_misses_total'), 1)
  t.equal(got.get('cache_bypasses_total'), 0)
  t.equal(got.get('cache_invalidations_total'), 0)
  t.equal(got.get('cache_stale_reads_total'), 0)
  t.equal(got.get('cache_entries'), 2, 'a page and its total')
  t.ok(got.get('cache_bytes')! > 0)
  t.equal(got.get('database_up'), 1)
  t.notOk(got.has('redis_up'), 'there is none')
  t.ok(got.get('process_resident_memory_bytes')! > 1e7)
  t.ok(got.has('nodejs_eventloop_lag_p99_seconds'))
  const duration = 'http_server_request_duration_seconds'
  const counted = (...of: Parameters<typeof labels>) => got.get(`${duration}_count${labels(...of)}`)
  t.equal(counted('/v1/animes', '2xx', 'hit'), 3)
  t.equal(counted('/v1/animes', '2xx', 'miss'), 1)
  t.equal(counted('/v1/animes', '4xx', 'none'), 1)
  t.equal(counted('/v1/animes/:id', '4xx', 'miss'), 1)
  t.equal(got.get(`${duration}_count{method="_OTHER",route="",status="4xx",cache="none"}`), 1)
  t.notOk(
    [...got.keys()].some((name) => name.includes('/metrics')),
    'it does not count itself',
  )
})

t.test('the buckets of the histogram are cumulative and end with the count', async (t) => {
  const app = await startApp(t, {}, { titles: 5 })
  for (let count = 0; count < 20; count += 1) await app.inject('/v1/animes?limit=5')
  const got = await scrape(app)
  const hits = [...got].filter(([name]) => name.includes('_bucket') && name.includes('"hit"'))
  const values = hits.map(([, value]) => value)
  t.same(
    values,
    values.toSorted((a, b) => a - b),
  )
  t.equal(values.at(-1), 19)
  t.match(hits.at(-1)![0], 'le="+Inf"')
  t.match(hits[0]![0], 'le="0.0001"')
})

t.test('a HEAD request and a 304 are counted once', async (t) => {
  const app = await startApp(t, {}, { titles: 5 })
  const first = await app.inject('/v1/animes?limit=5')
  await app.inject({ url: '/v1/animes?limit=5', headers: { 'if-none-match': first.headers.etag } })
  await app.inject({ url: '/v1/animes?limit=5', method: 'HEAD' })
  const counts = app.metrics.durations.histograms.map(({ method, status, cache, count }) => [
    method,
    status,
    cache,
    count,
  ])
  t.same(counts.toSorted(), [
    ['GET', 200, 'miss', 1],
    ['GET', 304, 'hit', 1],
    ['HEAD', 200, 'hit', 1],
  ])
})

t.test('a duration lies in the first bucket whose bound it does not exceed', async (t) => {
  const durations = createDurations()
  const record = durations.recorderOf('GET', '/')
  for (const ms of [0, 0.1, 0.11, 1, 9999, 10_000, 10_001, 1e9]) record(200, 'none', ms)
  const [histogram] = durations.histograms
  const filled = [...histogram!.buckets.entries()].filter(([, count]) => count > 0)
  t.same(
    filled.map(([index, count]) => [bounds[index] ?? 'more', count]),
    [
      [0.0001, 2],
      [0.000125, 1],
      [0.001, 1],
      [10, 2],
      ['more', 2],
    ],
  )
  t.equal(histogram!.count, 8)
})
