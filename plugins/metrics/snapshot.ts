import { hostname } from 'node:os'
import { bounds, type CacheOutcome, cacheOutcomes } from './durations.ts'
import type { Metrics } from './index.ts'

const instance = `${hostname()}:${process.pid}`

interface OutcomeTotals {
  count: number
  buckets: number[]
}

/**
 * All values that the monitor draws, as totals since the start: a client can poll at any interval and
 * compute rates from the differences, and a failed poll loses nothing.
 */
export function takeSnapshot({ durations, cache, eventLoop, up }: Metrics) {
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
    instance,
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
