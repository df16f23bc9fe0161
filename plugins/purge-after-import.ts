import { setTimeout as sleep } from 'node:timers/promises'
import { cacheHashTag } from '../catalogue/tags.ts'
import type { OpenStage } from '../db/import/import.ts'
import { purgeAll } from './cache/purge.ts'
import { openRedis } from './redis.ts'

/** Milliseconds for reaching Redis and emptying the cache, and between two attempts. */
const timeout = 5000
const retryDelay = 100

/**
 * Makes an import end only when every instance on the Redis at `url` has dropped its cached answers. If
 * that Redis cannot be reached, `onFailed` is called, and the outbox row of the import empties the caches
 * within two seconds.
 */
export function withPurge(open: OpenStage, url: string, onFailed: () => void): OpenStage {
  return async (options) => {
    const stage = await open(options)
    const finish = async () => {
      const counts = await stage.finish()
      const changed = counts.added + counts.changed + counts.removed > 0
      if (changed && !options.dryRun && !(await purge(url))) onFailed()
      return counts
    }
    return { ...stage, finish }
  }
}

async function purge(url: string): Promise<boolean> {
  const { client, connect, close } = openRedis(url, () => {})
  connect()
  const end = performance.now() + timeout
  const succeeded = () =>
    purgeAll(client, cacheHashTag).then(
      () => true,
      () => false,
    )
  try {
    while (performance.now() < end) {
      if (client.status === 'ready' && (await succeeded())) return true
      await sleep(retryDelay)
    }
    return false
  } finally {
    close()
  }
}
