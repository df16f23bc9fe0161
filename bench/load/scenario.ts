import { fire, percentile } from './fire.ts'
import { fetchFrom, type Target } from './target.ts'

/** One measured step, with the original's figure. */
export interface Step {
  title: string
  request: string
  /** Median milliseconds of `answers` sequential requests. */
  milliseconds: number
  answers: number
  status: string
  /** `hit` or `fwd=REASON` of the `Cache-Status`. */
  cache: string
  /** Seconds measured by the original. */
  original?: number | undefined
}

interface StepDefinition {
  title: string
  method?: 'GET' | 'POST'
  path: string
  /** Number of requests; the step reports their median. */
  times?: number
  as?: 'user' | 'admin'
  expected?: number
  original?: number | undefined
}

const list = '/v1/animes'
const filtered = '/v1/animes?type=TV'
const insert = { method: 'POST', path: list } as const

/** The original's measurements, in its order. */
const definitions: StepDefinition[] = [
  { title: 'the full list, first', path: list, original: 21.01 },
  { title: 'the full list again', path: list, times: 10, original: 2.61 },
  { title: 'a filtered list, first', path: filtered, original: 18.77 },
  { title: 'the filtered list again', path: filtered, times: 10, original: 1.9 },
  { title: 'an insert by a user', ...insert, as: 'user', expected: 403 },
  { title: 'an insert by an admin', ...insert, as: 'admin', expected: 201 },
  { title: 'the full list after it', path: list, original: 4.24 },
  { title: 'and once more', path: list, times: 10 },
]

/** The original's figures in production, without and with its cache, in seconds. */
export const production = [1.24, 0.88]

/** Runs the original's measurements, one request at a time; `onStep` is called after each step. */
export async function playScenario(target: Target, onStep: (step: Step) => void): Promise<Step[]> {
  await emptyCache(target)
  const steps: Step[] = []
  for (const definition of definitions) {
    const step = await runStep(target, definition)
    if (step === undefined) continue
    steps.push(step)
    onStep(step)
  }
  await removeInserted(target)
  return steps
}

const title = `Load test ${Date.now()}`

async function runStep(target: Target, definition: StepDefinition): Promise<Step | undefined> {
  const { method = 'GET', path, times = 1, as, expected = 200, original } = definition
  const headers = as === undefined ? (target.user ?? {}) : target[as]
  if (headers === undefined) return undefined
  const body = method === 'POST' ? JSON.stringify({ title, type: 'TV', genres: [] }) : undefined
  const result = await fire(
    {
      url: target.url + path,
      method,
      connections: 1,
      amount: times,
      timeout: 300,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body,
    },
    1,
  )
  const [[status] = [0]] = result.statuses
  if (status !== expected) {
    const got = status === 0 ? 'no answer' : `${status} instead of ${expected}`
    throw new Error(`${target.url}${path}, ${definition.title}: ${got}`)
  }
  return {
    title: definition.title,
    request: `${method} ${path}`,
    milliseconds: percentile(result.times, 0.5),
    answers: result.answers,
    status: String(status),
    cache: /; (hit|fwd=\w+)/.exec(result.cacheStatus)?.[1] ?? '',
    original,
  }
}

/** Empties the cache, if there is an admin, so that the first list is a miss. */
async function emptyCache({ url, admin }: Target): Promise<void> {
  if (admin !== undefined) await fetchFrom(`${url}/v1/cache`, { method: 'DELETE', headers: admin })
}

/** Removes the titles that the steps inserted. */
async function removeInserted({ url, admin }: Target): Promise<void> {
  if (admin === undefined) return
  const found = await fetchFrom(`${url}${list}?q=${encodeURIComponent(title)}`, { headers: admin })
  const { data } = (await found.json()) as { data: { id: number }[] }
  for (const { id } of data) {
    await fetchFrom(`${url}${list}/${id}`, { method: 'DELETE', headers: admin })
  }
}
