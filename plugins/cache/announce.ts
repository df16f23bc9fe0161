import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenStage } from '../../db/import/import.ts'
import { createRedis } from '../redis.ts'
import { purgeJournal } from './redis-commands.ts'

/** How long a Redis may take to be reached and told, and how often it is tried, in milliseconds. */
const patience = 5000
const tryEvery = 100

/**
 * An import after which every instance on the Redis at `url` has let go of its answers when it ends.
 * Where that Redis cannot be reached, the outbox row of the import tells them within two seconds;
 * `onUntold` hears of it.
 */
export function announced(open: OpenStage, url: string, onUntold: () => void): OpenStage {
  return async (options) => {
    const stage = await open(options)
    const finish = async () => {
      const counts = await stage.finish()
      const moved = counts.added + counts.changed + counts.removed > 0
      if (moved && !options.dryRun && !(await purge(url))) onUntold()
      return counts
    }
    return { ...stage, finish }
  }
}

async function purge(url: string): Promise<boolean> {
  const client = createRedis(url)
  client.on('error', () => {})
  client.connect().catch(() => {})
  const end = performance.now() + patience
  try {
    while (performance.now() < end) {
      if (client.status === 'ready' && (await told(client))) return true
      await sleep(tryEvery)
    }
    return false
  } finally {
    client.disconnect()
  }
}

const told = (client: ReturnType<typeof createRedis>) =>
  purgeJournal(client).then(
    () => true,
    () => false,
  )
