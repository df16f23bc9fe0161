import autocannon, { type Client, type Instance, type Options, type Result } from 'autocannon'

/** One second of a load. */
export interface Second {
  /** Seconds since the load began. */
  at: number
  answers: number
  hits: number
  /** Answers that say what the cache did. */
  asked: number
  failures: number
  /** Milliseconds of each answer. */
  times: number[]
}

export interface Fired {
  seconds: Second[]
  /** Milliseconds of each answer, sorted. */
  times: number[]
  answers: number
  hits: number
  asked: number
  /** Answers by status. */
  statuses: Map<number, number>
  /** 5xx, and connections lost. */
  failures: number
  elapsed: number
  /** It was ended since too much failed. */
  stopped: boolean
  /** What the cache said of the last answer. */
  cacheStatus: string
}

/** How many answers there must be before a share of failures says anything. */
const enough = 20

/**
 * Fires requests by autocannon and keeps what each answer took and what the cache said to it; ends
 * early when more than `maxFailures` (0 to 1) of them fail. `onSecond` hears of each second.
 */
export async function fire(
  options: Options,
  maxFailures: number,
  onSecond: (second: Second) => void = () => {},
): Promise<Fired> {
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
      second = { at, answers: 0, hits: 0, asked: 0, failures: 0, times: [] }
      seconds.push(second)
    }
    return second
  }

  const setupClient = (client: Client) => {
    client.on('headers', (head) => {
      const said = cacheStatusOf(head as unknown as { headers: string[] })
      if (said === undefined) return
      cacheStatus = said
      const second = current()
      second.asked += 1
      if (/;\s*hit/.test(said)) second.hits += 1
    })
    options.setupClient?.(client)
  }
  const instance = autocannon({ ...options, setupClient }) as unknown as Instance & Promise<Result>
  const judge = () => {
    const answers = total(seconds, 'answers') + total(seconds, 'failures')
    if (answers < enough || total(seconds, 'failures') <= maxFailures * answers) return
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
    judge()
  })
  instance.on('reqError', () => {
    current().failures += 1
    judge()
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
    asked: total(seconds, 'asked'),
    failures: total(seconds, 'failures'),
  }
}

export const total = (seconds: Second[], name: 'answers' | 'hits' | 'asked' | 'failures'): number =>
  seconds.reduce((sum, second) => sum + second[name], 0)

/** The `share` (0 to 1) of sorted times lies at or below this; NaN of none. */
export const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN

function cacheStatusOf({ headers }: { headers: string[] }): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]!.toLowerCase() === 'cache-status') return headers[index + 1]
  }
  return undefined
}
