import { atMost, type Bench, median } from './bench.ts'
import { withServices } from './redis.ts'

export default {
  name: 'redis-fresh',
  title: "The full list in a fresh instance, from another instance's copy in Redis",
  run: ({ rounds, log }) =>
    withServices(async ({ redis, service }) => {
      const shared = await redis()
      const first = await service(shared, {}, 'shared')
      await (await fetch(`${first.base}/v1/animes`)).arrayBuffer()
      const times: number[] = []
      for (let round = 0; round < rounds; round += 1) {
        const fresh = await service(shared, {}, 'shared')
        const started = performance.now()
        const answer = await fetch(`${fresh.base}/v1/animes`, {
          headers: { 'accept-encoding': 'zstd' },
        })
        const timeToHeaders = performance.now() - started
        await answer.arrayBuffer()
        if (!answer.headers.get('cache-status')?.includes('; hit;')) throw new Error('not a hit')
        times.push(timeToHeaders)
        log(`${timeToHeaders.toFixed(1)} ms`)
        await fresh.stop()
      }
      return [atMost('full list from Redis in a fresh instance', median(times), 15, 'ms')]
    }),
} satisfies Bench
