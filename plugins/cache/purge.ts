import type { Cluster, Redis } from 'ioredis'
import { defineScripts, finishChange, prefixOf } from './redis-commands.ts'
import { systemRuntime } from './runtime.ts'
import { everything } from './tags.ts'
import { withTimeout } from './with-timeout.ts'

/** Milliseconds for each command of a purge, which may come from far away. */
const timeout = 1000

/**
 * Empties the cache of every instance that uses `hashTag` on this Redis, for a process that has no cache
 * itself, such as an import.
 * @throws Error when Redis does not answer
 */
export async function purgeAll(client: Redis | Cluster, hashTag: string): Promise<void> {
  const send = (command: () => Promise<unknown>) => withTimeout(command(), timeout)
  const commands = defineScripts(client, prefixOf(hashTag))
  // False means that there is no clock, and so no answer that could be served.
  await finishChange(send, commands, everything, null, systemRuntime.token())
}
