import type { Request } from 'autocannon'
import { type Fired, fire, percentile } from './fire.ts'
import type { Target } from './target.ts'

/** How the service did with so many connections. */
export interface Level extends Fired {
  connections: number
  rate: number
  p50: number
  p95: number
  p99: number
  /** 0 to 1; NaN where nothing was asked of the cache. */
  hitRatio: number
}

export interface MixedOptions {
  levels: number[]
  /** Seconds a level. */
  seconds: number
  maxFailures: number
}

const types = ['TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'MUSIC']

/**
 * What a catalogue's readers ask for: mostly pages, some titles and counts, and now and then something
 * that nobody has asked before. In an order that is the same in every run.
 */
function readers(): Request[] {
  const paths: string[] = []
  for (let index = 0; index < 200; index += 1) {
    const type = types[index % types.length]
    paths.push(
      '/v1/animes?limit=20',
      `/v1/animes?limit=20&type=${type}`,
      `/v1/animes?limit=20&type=${type}&sort=-score`,
      `/v1/animes/${1 + (index % 50)}`,
      index % 4 === 0 ? '/v1/genres' : `/v1/animes?limit=20&year=${1980 + (index % 45)}`,
    )
    if (index % 5 === 0)
      paths.push(`/v1/animes?limit=20&minScore=${(index % 100) / 10}&q=a${index}`)
  }
  return paths.map((path) => ({ method: 'GET', path }))
}

/**
 * Loads the service at each level in turn, with a write a second where an admin is at hand; ends with
 * the level at which too much fails.
 */
export async function loadMixed(
  target: Target,
  { levels, seconds, maxFailures }: MixedOptions,
  say: (connections: number, second: { at: number; answers: number; failures: number }) => void,
): Promise<Level[]> {
  const done: Level[] = []
  for (const connections of levels) {
    const writes = target.admin === undefined ? undefined : startWriting(target.url, target.admin)
    const fired = await fire(
      {
        url: target.url,
        connections,
        duration: seconds,
        timeout: 30,
        headers: target.user ?? {},
        requests: readers(),
      },
      maxFailures,
      (second) => say(connections, second),
    )
    await writes?.stop()
    const { times, answers, elapsed, hits, asked } = fired
    done.push({
      ...fired,
      connections,
      rate: answers / elapsed,
      p50: percentile(times, 0.5),
      p95: percentile(times, 0.95),
      p99: percentile(times, 0.99),
      hitRatio: hits / asked,
    })
    if (fired.stopped) break
  }
  return done
}

/** Adds a title every second and takes it away again, so that the cache has something to forget. */
function startWriting(url: string, admin: Record<string, string>) {
  const headers = { ...admin, 'content-type': 'application/json' }
  const write = async () => {
    const body = JSON.stringify({ title: 'Load test', type: 'TV', year: 2026 })
    const made = await fetch(`${url}/v1/animes`, { method: 'POST', headers, body })
    if (made.status !== 201) return
    const { id } = (await made.json()) as { id: number }
    await fetch(`${url}/v1/animes/${id}`, { method: 'DELETE', headers: admin })
  }
  let writing = Promise.resolve()
  const timer = setInterval(() => {
    writing = writing.then(write).catch(() => {})
  }, 1000)
  return {
    stop: () => {
      clearInterval(timer)
      return writing
    },
  }
}
