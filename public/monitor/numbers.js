/** What happened between two snapshots of one instance; null when nothing can be said. */
export function between(before, after) {
  const seconds = (after.time - before.time) / 1000
  // After a restart the counters begin at 0.
  if (seconds <= 0 || after.uptime < before.uptime) return null
  const difference = (name) => {
    const buckets = after.requests[name].buckets.map((n, i) => n - before.requests[name].buckets[i])
    return { count: after.requests[name].count - before.requests[name].count, buckets }
  }
  const [hit, miss, bypass, none] = ['hit', 'miss', 'bypass', 'none'].map(difference)
  const status = (group) => (after.statuses[group] ?? 0) - (before.statuses[group] ?? 0)
  const asked = hit.count + miss.count + bypass.count
  const rate = (count) => count / seconds
  return {
    time: after.time / 1000,
    requests: rate(asked + none.count),
    hits: rate(hit.count),
    misses: rate(miss.count + bypass.count),
    others: rate(none.count),
    hitLatency: percentiles(after.bounds, hit.buckets),
    missLatency: percentiles(after.bounds, sum(sum(miss.buckets, bypass.buckets), none.buckets)),
    latency: percentiles(
      after.bounds,
      sum(sum(hit.buckets, miss.buckets), sum(bypass.buckets, none.buckets)),
    ),
    hitRatio: asked > 0 ? (100 * hit.count) / asked : null,
    refused: rate(status('4xx')),
    failed: rate(status('5xx')),
    answered: asked + none.count,
    failures: status('5xx'),
    delay: after.eventLoop.p99,
    busy: 100 * after.eventLoop.utilization,
    cpu: (100 * (after.cpuSeconds - before.cpuSeconds)) / seconds,
    rss: after.memory.rss / 2 ** 20,
    cacheMiB: after.cache.bytes / 2 ** 20,
    entries: after.cache.entries,
  }
}

const sum = (a, b) => a.map((n, index) => n + b[index])

/** p50, p95 and p99 in milliseconds, straight within a bucket; null when nothing was measured. */
export function percentiles(bounds, buckets) {
  const count = buckets.reduce((total, n) => total + n, 0)
  if (count === 0) return { p50: null, p95: null, p99: null }
  const at = (share) => {
    let left = share * count
    for (let index = 0; index < buckets.length; index += 1) {
      const n = buckets[index]
      if (left <= n && n > 0) {
        const low = index === 0 ? 0 : bounds[index - 1]
        const high = bounds[index] ?? bounds.at(-1)
        return 1000 * (low + (high - low) * (left / n))
      }
      left -= n
    }
    return 1000 * bounds.at(-1)
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** A number with as many digits as say something: 0.123, 4.56, 78.9, 12,345. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}

/** A share from 0 to 1 in percent; 100 only where it is all. */
export const share = (value) => String(Math.floor(1000 * value) / 10)
