/** What the cache did for a request; `none` where it was not asked. */
export const cacheOutcomes = ['hit', 'miss', 'bypass', 'none'] as const
export type CacheOutcome = (typeof cacheOutcomes)[number]

const tenSteps = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8]

/** Upper bounds of the buckets in seconds: ten a decade, from 0.1 ms to 10 s. */
export const bounds: readonly number[] = [
  ...[-4, -3, -2, -1, 0].flatMap((exponent) =>
    tenSteps.map((step) => Number(`${step}e${exponent}`)),
  ),
  10,
]

const millisecondBounds = Float64Array.from(bounds, (seconds) => seconds * 1000)

/** All requests of one route with one status and one outcome of the cache, since the start. */
export interface Cell {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly cache: CacheOutcome
  count: number
  /** Milliseconds in all. */
  sum: number
  /** Counts by bucket, each for itself; the last one is what took longer than every bound. */
  readonly buckets: Float64Array
}

/** Adds one request of `ms` milliseconds. */
export type Record = (status: number, cache: CacheOutcome, ms: number) => void

/**
 * How long requests take. Every request is counted, so counting must cost next to nothing: no labels
 * to hash, nothing to allocate; whoever reads (Prometheus, OpenTelemetry, the monitor) does the work.
 */
export function createDurations() {
  const cells: Cell[] = []

  function series(method: string, route: string): Record {
    const mine = new Map<number, Cell>()
    const open = (status: number, cache: CacheOutcome): Cell => {
      const buckets = new Float64Array(bounds.length + 1)
      const cell = { method, route, status, cache, count: 0, sum: 0, buckets }
      cells.push(cell)
      return cell
    }
    return (status, cache, ms) => {
      const index = status * cacheOutcomes.length + cacheOutcomes.indexOf(cache)
      let cell = mine.get(index)
      if (cell === undefined) {
        cell = open(status, cache)
        mine.set(index, cell)
      }
      cell.count += 1
      cell.sum += ms
      cell.buckets[bucketOf(ms)]! += 1
    }
  }

  return { cells: cells as readonly Cell[], series }
}

export type Durations = ReturnType<typeof createDurations>

/** The first bucket whose bound is not below `ms`. */
function bucketOf(ms: number): number {
  let low = 0
  let high = millisecondBounds.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (millisecondBounds[middle]! < ms) low = middle + 1
    else high = middle
  }
  return low
}
