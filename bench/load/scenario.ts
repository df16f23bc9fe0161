import { fire, percentile } from './fire.ts'
import { ask, type Target } from './target.ts'

/** One step of the original's story, here and there. */
export interface Step {
  title: string
  request: string
  /** Median milliseconds of `answers` requests, one after the other. */
  milliseconds: number
  answers: number
  status: string
  /** What the cache said. */
  cache: string
  /** Seconds that the original took. */
  original?: number | undefined
}

interface Plan {
  title: string
  method?: 'GET' | 'POST'
  path: string
  /** How often; the median counts. */
  times?: number
  as?: 'user' | 'admin'
  expected?: number
  original?: number | undefined
}

const list = '/v1/animes'
const filtered = '/v1/animes?type=TV'
const insert = { method: 'POST', path: list } as const

/** What the original measured, in its order. */
const plans: Plan[] = [
  { title: 'the full list, first', path: list, original: 21.01 },
  { title: 'the full list again', path: list, times: 10, original: 2.61 },
  { title: 'a filtered list, first', path: filtered, original: 18.77 },
  { title: 'the filtered list again', path: filtered, times: 10, original: 1.9 },
  { title: 'an insert by a user', ...insert, as: 'user', expected: 403 },
  { title: 'an insert by an admin', ...insert, as: 'admin', expected: 201 },
  { title: 'the full list after it', path: list, original: 4.24 },
  { title: 'and once more', path: list, times: 10 },
]

/** The original's own figures once it was in production: without and with its cache, in seconds. */
export const production = [1.24, 0.88]

/** Plays the original's story, one request at a time; `say` hears of each step. */
export async function playStory(target: Target, say: (step: Step) => void): Promise<Step[]> {
  await empty(target)
  const steps: Step[] = []
  for (const plan of plans) {
    const step = await play(target, plan)
    if (step === undefined) continue
    steps.push(step)
    say(step)
  }
  await clean(target)
  return steps
}

const title = `Load test ${Date.now()}`

async function play(target: Target, plan: Plan): Promise<Step | undefined> {
  const { method = 'GET', path, times = 1, as, expected = 200, original } = plan
  const caller = as === undefined ? (target.user ?? {}) : target[as]
  if (caller === undefined) return undefined
  const body = method === 'POST' ? JSON.stringify({ title, type: 'TV', genres: [] }) : undefined
  const fired = await fire(
    {
      url: target.url + path,
      method,
      connections: 1,
      amount: times,
      timeout: 300,
      headers: { ...caller, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body,
    },
    1,
  )
  const [[status] = [0]] = fired.statuses
  if (status !== expected) {
    const got = status === 0 ? 'no answer' : `${status} and not ${expected}`
    throw new Error(`${target.url}${path}, ${plan.title}: ${got}`)
  }
  return {
    title: plan.title,
    request: `${method} ${path}`,
    milliseconds: percentile(fired.times, 0.5),
    answers: fired.answers,
    status: String(status),
    cache: /; (hit|fwd=\w+)/.exec(fired.cacheStatus)?.[1] ?? '',
    original,
  }
}

/** A first list is one that nobody has asked for: where we may, the cache begins empty. */
async function empty({ url, admin }: Target): Promise<void> {
  if (admin !== undefined) await ask(`${url}/v1/cache`, { method: 'DELETE', headers: admin })
}

/** Takes away what the story has put in. */
async function clean({ url, admin }: Target): Promise<void> {
  if (admin === undefined) return
  const found = await ask(`${url}${list}?q=${encodeURIComponent(title)}`, { headers: admin })
  const { data } = (await found.json()) as { data: { id: number }[] }
  for (const { id } of data) {
    await ask(`${url}${list}/${id}`, { method: 'DELETE', headers: admin })
  }
}
