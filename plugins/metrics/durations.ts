/** What the cache did for a request; `none` if the cache was not consulted. */
export const cacheOutcomes = ['hit', 'miss', 'bypass', 'none'] as const
export type CacheOutcome = (typeof cacheOutcomes)[number]

const tenSteps = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8]

/** Upper bounds of the buckets, in seconds: ten per decade, from 0.1 ms to 10 s. */
export const bounds: readonly number[] = [
  ...[-4, -3, -2, -1, 0].flatMap((exponent) =>
    tenSteps.map((step) => Number(`${step}e${exponent}`)),
  ),
  10,
]

const millisecondBounds = Float64Array.from(bounds, (seconds) => seconds * 1000)

/** Durations of the requests of one route with one status and one cache outcome, since the start. */
export interface Histogram {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly cache: CacheOutcome
  count: number
  /** Total milliseconds. */
  sum: number
  /** Requests per bucket, not cumulative; the last bucket has no upper bound. */
  readonly buckets: Float64Array
}

/** Counts one request that took `ms` milliseconds. */
export type RecordDuration = (status: number, cache: CacheOutcome, ms: number) => void

/**
 * Durations of all requests. Every request is counted, so a recorder hashes no labels and allocates
 * nothing after its first call. The readers (Prometheus, OpenTelemetry, the monitor) do the rest.
 */
export function createDurations() {
  const histograms: Histogram[] = []

  const recorders = new Map<string, RecordDuration>()

  /** The function that counts the requests of one method and route. */
  function recorderOf(method: string, route: string): RecordDuration {
    const name = `${method} ${route}`
    const recorder = recorders.get(name) ?? createRecorder(method, route)
    recorders.set(name, recorder)
    return recorder
  }

  function createRecorder(method: string, route: string): RecordDuration {
    const recorded = new Map<number, Histogram>()
    const create = (status: number, cache: CacheOutcome): Histogram => {
      const buckets = new Float64Array(bounds.length + 1)
      const histogram = { method, route, status, cache, count: 0, sum: 0, buckets }
      histograms.push(histogram)
      return histogram
    }
    return (status, cache, ms) => {
      const index = status * cacheOutcomes.length + cacheOutcomes.indexOf(cache)
      let histogram = recorded.get(index)
      if (histogram === undefined) {
        histogram = create(status, cache)
        recorded.set(index, histogram)
      }
      histogram.count += 1
      histogram.sum += ms
      histogram.buckets[bucketOf(ms)]! += 1
    }
  }

  return { histograms: histograms as readonly Histogram[], recorderOf }
}

export type Durations = ReturnType<typeof createDurations>

/** The index of the first bucket whose upper bound is `ms` or more (binary search). */
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
