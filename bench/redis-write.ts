import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, type Bench, formatValue, median, timed } from './bench.ts'
import { cacheStatusOf, withServices } from './redis.ts'

const admin = { ADMIN_EMAIL: 'admin@example.org', ADMIN_PASSWORD: 'a long pass phrase' }
const writesPerRound = 100

/** Signs in; the returned function inserts a title that is in no cached list, and returns the milliseconds. */
async function createWriter(base: string): Promise<() => Promise<number>> {
  const send = async (path: string, body: object, authorization = '') => {
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer.json() as Promise<{ accessToken: string }>
  }
  // The first admin is created shortly after the start, so retry.
  const signIn = async (attempts: number): Promise<{ accessToken: string }> =>
    send('/v1/signin', credentials).catch(async (error) => {
      if (attempts === 0) throw error
      await sleep(200)
      return signIn(attempts - 1)
    })
  const credentials = { email: admin.ADMIN_EMAIL, password: admin.ADMIN_PASSWORD }
  const { accessToken } = await signIn(10)
  const row = { title: 'New', type: 'MUSIC', year: 1999 }
  return () => timed(() => send('/v1/animes', row, `Bearer ${accessToken}`))
}

export default {
  name: 'redis-write',
  title: 'A write with 10,000 answers cached, against one with 10',
  run: ({ rounds, log }) =>
    withServices(async ({ redis, service }) => {
      const sizes = [10_000, 10]
      const writers: (() => Promise<number>)[] = []
      for (const size of sizes) {
        const { base } = await service(await redis(), admin)
        writers.push(await createWriter(base))
        for (let at = 0; at < size; at += 50) {
          const batch = Array.from({ length: Math.min(50, size - at) }, (_, index) =>
            cacheStatusOf(
              `${base}/v1/animes?type=TV&limit=1&year=${1960 + ((at + index) % 60)}&q=${at + index}`,
            ),
          )
          await Promise.all(batch)
        }
        log(`${size} answers cached`)
      }
      const times = sizes.map(() => [] as number[])
      for (let round = 0; round < rounds + 1; round += 1) {
        for (const [index, write] of writers.entries()) {
          const durations: number[] = []
          for (let count = 0; count < writesPerRound; count += 1) durations.push(await write())
          if (round > 0) times[index]!.push(median(durations))
        }
      }
      const [many, few] = times.map(median)
      return [
        atMost('a write with 10,000 answers cached / with 10', many! / few!, 1.2),
        { what: '... milliseconds', measured: formatValue(many!) },
      ]
    }),
} satisfies Bench
