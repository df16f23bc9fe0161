import { hostname } from 'node:os'
import { addUp } from '../workers/add-up.ts'
import { bounds, type CacheOutcome, cacheOutcomes } from './durations.ts'
import type { Metrics } from './index.ts'

export type Snapshot = ReturnType<typeof takeSnapshot>

interface OutcomeTotals {
  count: number
  buckets: number[]
}

/**
 * All values that the monitor draws, as totals since the start: a client can poll at any interval and
 * compute rates from the differences, and a failed poll loses nothing. `pid` names the instance.
 */
export function takeSnapshot({ durations, cache, eventLoop, up }: Metrics, pid = process.pid) {
  const requests = Object.fromEntries(
    cacheOutcomes.map((outcome) => [
      outcome,
      { count: 0, buckets: new Array<number>(bounds.length + 1).fill(0) },
    ]),
  ) as Record<CacheOutcome, OutcomeTotals>
  const statuses: Record<string, number> = {}
  for (const { status, cache: outcome, count, buckets } of durations.histograms) {
    const totals = requests[outcome]
    totals.count += count
    for (const [index, added] of buckets.entries()) totals.buckets[index]! += added
    const statusClass = `${Math.floor(status / 100)}xx`
    statuses[statusClass] = (statuses[statusClass] ?? 0) + count
  }
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    instance: `${hostname()}:${pid}`,
    time: Date.now(),
    uptime: process.uptime(),
    bounds,
    requests,
    statuses,
    cache: cache(),
    eventLoop: eventLoop(),
    memory: { rss, heapUsed },
    cpuSeconds: (user + system) / 1e6,
    up: up(),
  }
}

/**
 * One snapshot of those of several workers. What is counted is added up; the event loop has the longest
 * delays and the mean utilization; the uptime is the youngest's, since its totals began at 0.
 */
export function mergeSnapshots(parts: Snapshot[]): Snapshot {
  const [first] = parts
  if (parts.length === 1) return first!
  const counted = parts.map(({ requests, statuses, cache, memory, cpuSeconds }) => {
    return { requests, statuses, cache, memory, cpuSeconds }
  })
  const loops = parts.map(({ eventLoop }) => eventLoop)
  const longest = (name: 'p50' | 'p99' | 'max') => Math.max(...loops.map((loop) => loop[name]))
  const busy = loops.reduce((sum, { utilization }) => sum + utilization, 0)
  return {
    ...first!,
    ...addUp(counted),
    uptime: Math.min(...parts.map(({ uptime }) => uptime)),
    eventLoop: {
      p50: longest('p50'),
      p99: longest('p99'),
      max: longest('max'),
      utilization: busy / parts.length,
    },
    up: {
      database: parts.every(({ up }) => up.database),
      redis: first!.up.redis === undefined ? undefined : parts.every(({ up }) => up.redis),
    },
  }
}
