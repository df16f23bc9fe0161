import type { OpenStage } from '../../db/import/import.ts'
import { createRedis } from '../redis.ts'
import { everything } from './keys.ts'
import { createRedisJournal } from './redis-journal.ts'
import { createReplica } from './replica.ts'

/**
 * An import after which every instance on the Redis at `url` has let go of its answers when it ends.
 * Where that Redis cannot be reached, the outbox row of the import tells them within a second.
 */
export function announced(open: OpenStage, url: string): OpenStage {
  return async (options) => {
    const stage = await open(options)
    const finish = async () => {
      const counts = await stage.finish()
      const moved = counts.added + counts.changed + counts.removed > 0
      if (moved && !options.dryRun) await purge(url)
      return counts
    }
    return { ...stage, finish }
  }
}

async function purge(url: string): Promise<void> {
  const client = createRedis(url)
  client.on('error', () => {})
  try {
    await client.connect()
    const journal = createRedisJournal({
      client,
      replica: createReplica(),
      events: { onEntry: () => {}, onReset: () => {} },
      drain: async () => true,
      log: { info: () => {}, warn: () => {} },
      holdOff: 1000,
    })
    await journal.finish(everything, null)
    await journal.close()
  } catch {
    // The relay of whoever reaches Redis finds the outbox row.
  } finally {
    client.disconnect()
  }
}
