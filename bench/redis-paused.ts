import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { atMost, type Bench } from './bench.ts'
import { waitForHit, withServices } from './redis.ts'

const pause = 5000

export default {
  name: 'redis-paused',
  title: 'Redis paused for five seconds under load',
  run: ({ log }) =>
    withServices(async ({ redis, service }) => {
      const shared = await redis()
      const { base } = await service(shared)
      const url = `${base}/v1/animes?limit=20`
      const loading = autocannon({ url, connections: 50, duration: 10 })
      await sleep(2000)
      shared.pause()
      await sleep(pause)
      shared.resume()
      const resumed = performance.now()
      await waitForHit(base)
      const recovery = performance.now() - resumed
      const { non2xx, errors, latency } = await loading
      log(`p99 ${latency.p99} ms, ${non2xx} failures, hits again after ${Math.round(recovery)} ms`)
      return [
        atMost('failures while Redis is paused for 5 s under load', non2xx + errors, 0),
        atMost('... p99 of reads', latency.p99, 500, 'ms'),
        atMost('... cache in use again after', recovery, 2000, 'ms'),
      ]
    }),
} satisfies Bench
