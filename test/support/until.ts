import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks `probe` until it gives something true, and gives that.
 * @throws Error when `limit` milliseconds have passed
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  limit = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + limit
  for (;;) {
    const found = await probe()
    if (found) return found as Exclude<T, false | null | undefined>
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limit} ms`)
    await sleep(10)
  }
}
