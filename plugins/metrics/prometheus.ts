import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { bounds, type Cell } from './durations.ts'
import type { CacheNumbers, Metrics } from './index.ts'

const counters = {
  hits: 'Answers from the cache.',
  misses: 'Answers that the cache did not have.',
  bypasses: 'Answers that could not be checked, because Redis is away: taken from the database.',
  invalidations: 'Answers removed from memory because a write changed them.',
  stale_reads: 'Answers from the cache that the auditor found wrong. The only good value is 0.',
} as const

const numberOf = ({ staleReads, ...numbers }: CacheNumbers, name: keyof typeof counters) =>
  name === 'stale_reads' ? staleReads : numbers[name]

/** A registry that asks `metrics` when it is scraped, and never before. */
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
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('cache_entries', 'Answers held in memory.', () => metrics.cache().entries)
  gauge('cache_bytes', 'Bytes of memory that they take.', () => metrics.cache().bytes)
  gauge('database_up', 'Whether the database can be used.', () => Number(metrics.up().database))
  if (metrics.up().redis !== undefined) {
    gauge('redis_up', 'Whether the cache reaches Redis.', () => Number(metrics.up().redis))
  }
  gauge('nodejs_eventloop_utilization', 'How busy the event loop was in the last second.', () => {
    return metrics.eventLoop().utilization
  })
  register.registerMetric(requestDurations(metrics.durations.cells))
  return register
}

/** The bounds that are published, 1, 2.5 and 5 a decade: more would cost Prometheus and tell little. */
const published = bounds
  .map((bound, index) => ({ bound, index }))
  .filter(({ bound }) => /^0*\.?0*(1|25|5)0*$/.test(bound.toFixed(6).replace('.', '')))

/** What prom-client asks of a metric: its values when scraped, here straight from the cells. */
function requestDurations(cells: readonly Cell[]): Metric {
  const name = 'http_server_request_duration_seconds'
  const get = async () => ({
    name,
    help: 'Duration of requests by route, class of status and what the cache did.',
    type: 'histogram',
    aggregator: 'sum',
    values: merge(cells).flatMap(({ labels, count, sum, buckets }) => {
      let below = 0
      let next = 0
      const cumulative = published.map(({ bound, index }) => {
        while (next <= index) below += buckets[next++]!
        return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below }
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

/** The cells by class of status: 200 and 304 are both `2xx`... and `3xx`; who needs codes has traces. */
function merge(cells: readonly Cell[]) {
  const merged = new Map<
    string,
    { labels: Record<string, string>; count: number; sum: number; buckets: number[] }
  >()
  for (const { method, route, status, cache, count, sum, buckets } of cells) {
    const labels = { method, route, status: `${Math.floor(status / 100)}xx`, cache }
    const key = Object.values(labels).join(' ')
    const into = merged.get(key)
    if (into === undefined) merged.set(key, { labels, count, sum, buckets: [...buckets] })
    else {
      into.count += count
      into.sum += sum
      for (const [index, more] of buckets.entries()) into.buckets[index]! += more
    }
  }
  return [...merged.values()]
}
