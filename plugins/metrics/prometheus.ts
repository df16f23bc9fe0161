import {
  type Aggregator,
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  type Metric,
  type MetricObject,
  Registry,
} from 'prom-client'
import { bounds, type Histogram } from './durations.ts'
import type { CacheNumbers, Metrics } from './index.ts'

const counters = {
  hits: 'Answers from the cache.',
  misses: 'Answers that were not in the cache.',
  bypasses: 'Answers from the database because Redis was unreachable.',
  invalidations: 'Answers that a write removed from memory.',
  stale_reads: 'Cached answers that the auditor found wrong. Must stay 0.',
} as const

const numberOf = ({ staleReads, ...numbers }: CacheNumbers, name: keyof typeof counters) =>
  name === 'stale_reads' ? staleReads : numbers[name]

/** A Prometheus registry that reads `metrics` on each scrape. */
export function createRegistry(metrics: Metrics): Registry {
  const register = new Registry()
  const registers = [register]
  collectDefaultMetrics({ register })
  for (const name of Object.keys(counters) as (keyof typeof counters)[]) {
    new Counter({
      name: `cache_${name}_total`,
      help: counters[name],
      registers,
      collect() {
        this.reset()
        this.inc(numberOf(metrics.cache(), name))
      },
    })
  }
  const gauge = (name: string, help: string, value: () => number, aggregator: Aggregator = 'sum') =>
    new Gauge({
      name,
      help,
      registers,
      aggregator,
      collect() {
        this.set(value())
      },
    })
  gauge('cache_entries', 'Answers held in memory.', () => metrics.cache().entries)
  gauge('cache_bytes', 'Bytes of memory used by cached answers.', () => metrics.cache().bytes)
  gauge(
    'database_up',
    '1 when the database is reachable.',
    () => Number(metrics.up().database),
    'min',
  )
  if (metrics.up().redis !== undefined) {
    gauge('redis_up', '1 when the cache can reach Redis.', () => Number(metrics.up().redis), 'min')
  }
  gauge(
    'nodejs_eventloop_utilization',
    'Utilization of the event loop in the last second, 0 to 1.',
    () => {
      return metrics.eventLoop().utilization
    },
    'average',
  )
  register.registerMetric(requestDurations(metrics.durations.histograms))
  return register
}

/** How prom-client's own metrics become one, where that is not its default. */
const aggregators: Record<string, Aggregator> = {
  // The newest worker's: a change means that one was replaced.
  process_start_time_seconds: 'max',
  // A limit of each process.
  process_max_fds: 'min',
}

/** One registry of those of several workers, as `getMetricsAsJSON` gives them. */
export function sumRegistries(parts: MetricObject[][]): Registry {
  const given = parts.map((metrics) =>
    metrics.map((metric) => ({
      ...metric,
      aggregator: aggregators[metric.name] ?? metric.aggregator,
    })),
  )
  return AggregatorRegistry.aggregate(given)
}

/** The exported bounds: 1, 2.5 and 5 per decade. More would cost Prometheus a time series each. */
const exportedBounds = bounds
  .map((bound, index) => ({ bound, index }))
  .filter(({ bound }) => /^0*\.?0*(1|25|5)0*$/.test(bound.toFixed(6).replace('.', '')))

/** A prom-client metric whose values are read from the histograms on each scrape. */
function requestDurations(histograms: readonly Histogram[]): Metric {
  const name = 'http_server_request_duration_seconds'
  const get = async () => ({
    name,
    help: 'Duration of requests by route, status class and cache outcome.',
    type: 'histogram',
    aggregator: 'sum',
    values: mergeByStatusClass(histograms).flatMap(({ labels, count, sum, buckets }) => {
      let total = 0
      let next = 0
      const cumulative = exportedBounds.map(({ bound, index }) => {
        while (next <= index) total += buckets[next++]!
        return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: total }
      })
      return [
        ...cumulative,
        { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
        { metricName: `${name}_sum`, labels, value: sum / 1000 },
        { metricName: `${name}_count`, labels, value: count },
      ]
    }),
  })
  return { name, get, reset() {} } as unknown as Metric
}

/** Merges status codes into classes (2xx, 3xx, ...) to keep the number of time series small. */
function mergeByStatusClass(histograms: readonly Histogram[]) {
  const merged = new Map<
    string,
    { labels: Record<string, string>; count: number; sum: number; buckets: number[] }
  >()
  for (const { method, route, status, cache, count, sum, buckets } of histograms) {
    const labels = { method, route, status: `${Math.floor(status / 100)}xx`, cache }
    const key = Object.values(labels).join(' ')
    const target = merged.get(key)
    if (target === undefined) merged.set(key, { labels, count, sum, buckets: [...buckets] })
    else {
      target.count += count
      target.sum += sum
      for (const [index, added] of buckets.entries()) target.buckets[index]! += added
    }
  }
  return [...merged.values()]
}
