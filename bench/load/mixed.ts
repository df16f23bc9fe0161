import type { Request } from 'autocannon'
import { fire, type LoadResult, percentile } from './fire.ts'
import type { Target } from './target.ts'

/** The results at one number of connections. */
export interface Level extends LoadResult {
  connections: number
  rate: number
  p50: number
  p95: number
  p99: number
  /** 0 to 1; NaN if no answer had a `Cache-Status`. */
  hitRatio: number
}

export interface MixedOptions {
  levels: number[]
  /** Seconds per level. */
  seconds: number
  maxFailures: number
}

const types = ['TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'MUSIC']

/**
 * The requests of typical readers: mostly pages, some titles and genre counts, and a few with parameters
 * that never repeat. The order is the same in every run.
 */
function readRequests(): Request[] {
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
 * Loads the service at each level in turn, with one write per second if there is an admin. Stops after the
 * first level with too many failures.
 */
export async function loadMixed(
  target: Target,
  { levels, seconds, maxFailures }: MixedOptions,
  onSecond: (
    connections: number,
    second: { at: number; answers: number; failures: number },
  ) => void,
): Promise<Level[]> {
  const results: Level[] = []
  for (const connections of levels) {
    const writes = target.admin === undefined ? undefined : startWriting(target.url, target.admin)
    const result = await fire(
      {
        url: target.url,
        connections,
        duration: seconds,
        timeout: 30,
        headers: target.user ?? {},
        requests: readRequests(),
      },
      maxFailures,
      (second) => onSecond(connections, second),
    )
    await writes?.stop()
    const { times, answers, elapsed, hits, withCacheStatus } = result
    results.push({
      ...result,
      connections,
      rate: answers / elapsed,
      p50: percentile(times, 0.5),
      p95: percentile(times, 0.95),
      p99: percentile(times, 0.99),
      hitRatio: hits / withCacheStatus,
    })
    if (result.stopped) break
  }
  return results
}

/** Inserts and deletes a title every second, so that the cache has to invalidate answers. */
function startWriting(url: string, admin: Record<string, string>) {
  const headers = { ...admin, 'content-type': 'application/json' }
  const write = async () => {
    const body = JSON.stringify({ title: 'Load test', type: 'TV', year: 2026 })
    const created = await fetch(`${url}/v1/animes`, { method: 'POST', headers, body })
    if (created.status !== 201) return
    const { id } = (await created.json()) as { id: number }
    await fetch(`${url}/v1/animes/${id}`, { method: 'DELETE', headers: admin })
  }
  let lastWrite = Promise.resolve()
  const timer = setInterval(() => {
    lastWrite = lastWrite.then(write).catch(() => {})
  }, 1000)
  return {
    stop: () => {
      clearInterval(timer)
      return lastWrite
    },
  }
}
