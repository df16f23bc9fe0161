import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis, type TestRedis } from '../test/support/redis.ts'
import { inTemporaryFolder, type Started, startService } from './processes.ts'

/** Settings of a service with every guard on and none in the way. */
const guarded = { RATE_LIMIT_MAX: '1000000000', LOG_LEVEL: 'warn' }

/** Runs `work` with Redis servers and services of its own, and ends them all. */
export async function withServices<T>(
  work: (scope: {
    redis: () => Promise<TestRedis>
    service: (redis?: TestRedis, env?: NodeJS.ProcessEnv, folder?: string) => Promise<Started>
    folder: string
  }) => Promise<T>,
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const ends: (() => unknown)[] = []
    const scope = { teardown: (end: () => unknown) => void ends.unshift(end) }
    let folders = 0
    const service = async (redis?: TestRedis, env: NodeJS.ProcessEnv = {}, name?: string) => {
      folders += 1
      const DATABASE_URL = `sqlite:${folder}/${name ?? folders}.db`
      const REDIS_URL = redis?.url ?? ''
      const started = await startService(folder, { ...guarded, DATABASE_URL, REDIS_URL, ...env })
      ends.unshift(started.stop)
      await inUse(started.base)
      return started
    }
    try {
      return await work({ redis: () => startRedis(scope as never), service, folder })
    } finally {
      for (const end of ends) await end()
    }
  })
}

/** What `Cache-Status` says of an answer. */
export async function statusOf(url: string): Promise<string> {
  const answer = await fetch(url)
  await answer.arrayBuffer()
  return answer.headers.get('cache-status') ?? ''
}

/** Waits until answers are served from the cache. */
export async function inUse(base: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if ((await statusOf(`${base}/v1/animes?limit=1`)).startsWith('anime-api; hit;')) return
    await sleep(20)
  }
  throw new Error('the cache does not come into use')
}
