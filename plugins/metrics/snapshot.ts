import { hostname } from 'node:os'
import { bounds, type CacheOutcome, cacheOutcomes } from './durations.ts'
import type { Metrics } from './index.ts'

const instance = `${hostname()}:${process.pid}`

interface Series {
  count: number
  buckets: number[]
}

/**
 * All that the monitor draws: totals since the start, so that whoever polls makes rates of them at a
 * pace of his own, and a lost poll loses nothing.
 */
export function takeSnapshot({ durations, cache, eventLoop, up }: Metrics) {
  const series = Object.fromEntries(
    cacheOutcomes.map((outcome) => [
      outcome,
      { count: 0, buckets: new Array<number>(bounds.length + 1).fill(0) },
    ]),
  ) as Record<CacheOutcome, Series>
  const statuses: Record<string, number> = {}
  for (const { status, cache: outcome, count, buckets } of durations.cells) {
    const into = series[outcome]
    into.count += count
    for (const [index, more] of buckets.entries()) into.buckets[index]! += more
    const group = `${Math.floor(status / 100)}xx`
    statuses[group] = (statuses[group] ?? 0) + count
  }
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    instance,
    time: Date.now(),
    uptime: process.uptime(),
    bounds,
    requests: series,
    statuses,
    cache: cache(),
    eventLoop: eventLoop(),
    memory: { rss, heapUsed },
    cpuSeconds: (user + system) / 1e6,
    up: up(),
  }
}
