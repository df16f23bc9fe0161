import { atLeast, type Bench, shown } from './bench.ts'
import { compare, startBare } from './compare.ts'
import { withServices } from './redis.ts'

/** Seconds: what runs once a read of the clock is compiled after some 20,000 of them. */
const warmUp = 16

const path = '/v1/animes?limit=20'

export default {
  name: 'redis-page',
  title: 'A cached page of 20, each hit checked over Redis',
  run: (options) =>
    withServices(async ({ redis, service, folder }) => {
      const checked = await service(await redis())
      const local = await service()
      const bare = await startBare(checked, ['fastify'], folder, { path })
      try {
        const contenders = [
          { name: 'checked over Redis', base: checked.base },
          { name: 'without Redis', base: local.base },
          ...bare.contenders,
        ]
        const { rates, ratio } = await compare(contenders, { path, warmUp }, options)
        return [
          atLeast('cached page of 20 over Redis / bare Fastify', ratio('fastify'), 0.85),
          atLeast('... / the same without Redis', ratio('without Redis'), 0.95),
          { what: '... requests a second', measured: shown(rates.get('checked over Redis')!) },
        ]
      } finally {
        await bare.stop()
      }
    }),
} satisfies Bench
