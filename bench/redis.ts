import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis, type TestRedis } from '../test/support/redis.ts'
import { inTemporaryFolder, type Started, startService } from './processes.ts'

/** Settings of a measured service: a rate limit that counts and is never reached. */
const benchSettings = { RATE_LIMIT_MAX: '1000000000', LOG_LEVEL: 'warn' }

/** Runs `work` with functions that start Redis servers and services, and stops all of them afterwards. */
export async function withServices<T>(
  work: (scope: {
    redis: () => Promise<TestRedis>
    service: (redis?: TestRedis, env?: NodeJS.ProcessEnv, folder?: string) => Promise<Started>
    folder: string
  }) => Promise<T>,
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const teardowns: (() => unknown)[] = []
    const scope = { teardown: (stop: () => unknown) => void teardowns.unshift(stop) }
    let folders = 0
    const service = async (redis?: TestRedis, env: NodeJS.ProcessEnv = {}, name?: string) => {
      folders += 1
      const DATABASE_URL = `sqlite:${folder}/${name ?? folders}.db`
      const REDIS_URL = redis?.url ?? ''
      const started = await startService(folder, {
        ...benchSettings,
        DATABASE_URL,
        REDIS_URL,
        ...env,
      })
      teardowns.unshift(started.stop)
      await waitForHit(started.base)
      return started
    }
    try {
      return await work({ redis: () => startRedis(scope as never), service, folder })
    } finally {
      for (const teardown of teardowns) await teardown()
    }
  })
}

/** Requests `url` and returns its `Cache-Status`. */
export async function cacheStatusOf(url: string): Promise<string> {
  const answer = await fetch(url)
  await answer.arrayBuffer()
  return answer.headers.get('cache-status') ?? ''
}

/** Polls until an answer comes from the cache. */
export async function waitForHit(base: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if ((await cacheStatusOf(`${base}/v1/animes?limit=1`)).startsWith('anime-api; hit;')) return
    await sleep(20)
  }
  throw new Error('no cache hit after 500 attempts')
}
