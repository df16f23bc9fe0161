import autocannon, { type Client, type Instance, type Options, type Result } from 'autocannon'

/** The answers of one second. */
export interface Second {
  /** Seconds since the load began. */
  at: number
  answers: number
  hits: number
  /** Answers with a `Cache-Status`. */
  withCacheStatus: number
  failures: number
  /** Milliseconds per answer. */
  times: number[]
}

export interface LoadResult {
  seconds: Second[]
  /** Milliseconds per answer, sorted. */
  times: number[]
  answers: number
  hits: number
  withCacheStatus: number
  /** Answers by status. */
  statuses: Map<number, number>
  /** 5xx answers and lost connections. */
  failures: number
  elapsed: number
  /** True if the load was stopped because of too many failures. */
  stopped: boolean
  /** `Cache-Status` of the last answer. */
  cacheStatus: string
}

/** Number of answers below which the share of failures is ignored. */
const minAnswers = 20

/**
 * Sends requests with autocannon and records duration and `Cache-Status` of each answer. Stops early when
 * more than `maxFailures` (0 to 1) of them fail. `onSecond` is called after each second.
 */
export async function fire(
  options: Options,
  maxFailures: number,
  onSecond: (second: Second) => void = () => {},
): Promise<LoadResult> {
  const started = performance.now()
  const statuses = new Map<number, number>()
  const seconds: Second[] = []
  let cacheStatus = ''
  let stopped = false

  function current(): Second {
    const at = Math.floor((performance.now() - started) / 1000)
    let second = seconds.at(-1)
    if (second?.at !== at) {
      if (second !== undefined) onSecond(second)
      second = { at, answers: 0, hits: 0, withCacheStatus: 0, failures: 0, times: [] }
      seconds.push(second)
    }
    return second
  }

  const setupClient = (client: Client) => {
    client.on('headers', (head) => {
      const value = cacheStatusOf(head as unknown as { headers: string[] })
      if (value === undefined) return
      cacheStatus = value
      const second = current()
      second.withCacheStatus += 1
      if (/;\s*hit/.test(value)) second.hits += 1
    })
    options.setupClient?.(client)
  }
  const instance = autocannon({ ...options, setupClient }) as unknown as Instance & Promise<Result>
  const stopIfFailing = () => {
    const answers = total(seconds, 'answers') + total(seconds, 'failures')
    if (answers < minAnswers || total(seconds, 'failures') <= maxFailures * answers) return
    stopped = true
    instance.stop()
  }
  instance.on('response', (_client, status, _bytes, time) => {
    const second = current()
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    second.answers += 1
    second.times.push(time)
    if (status < 500) return
    second.failures += 1
    stopIfFailing()
  })
  instance.on('reqError', () => {
    current().failures += 1
    stopIfFailing()
  })
  await instance
  const elapsed = (performance.now() - started) / 1000
  if (seconds.length > 0) onSecond(seconds.at(-1)!)
  return {
    seconds,
    statuses,
    elapsed,
    stopped,
    cacheStatus,
    times: seconds.flatMap(({ times }) => times).sort((a, b) => a - b),
    answers: total(seconds, 'answers'),
    hits: total(seconds, 'hits'),
    withCacheStatus: total(seconds, 'withCacheStatus'),
    failures: total(seconds, 'failures'),
  }
}

const total = (
  seconds: Second[],
  name: 'answers' | 'hits' | 'withCacheStatus' | 'failures',
): number => seconds.reduce((sum, second) => sum + second[name], 0)

/** The percentile `share` (0 to 1) of sorted times; NaN if there are none. */
export const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN

function cacheStatusOf({ headers }: { headers: string[] }): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]!.toLowerCase() === 'cache-status') return headers[index + 1]
  }
  return undefined
}
