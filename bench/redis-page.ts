import { atLeast, type Bench, formatValue } from './bench.ts'
import { type Contender, compare, startBare } from './compare.ts'
import { withServices } from './redis.ts'

/** Seconds. V8 compiles the code that runs once per read of the clock after some 20,000 reads. */
const warmUp = 16

/** Processes of each kind, since processes of the same code differ by 3 % for as long as they live. */
const processes = 2

const path = '/v1/animes?limit=20'

export default {
  name: 'redis-page',
  title: 'A cached page of 20, each hit checked over Redis',
  run: (options) =>
    withServices(async ({ redis, service, folder }) => {
      const services: Contender[] = []
      for (let count = 0; count < processes; count += 1) {
        const checked = await service(await redis())
        const local = await service()
        services.push({ name: 'checked over Redis', base: checked.base })
        services.push({ name: 'without Redis', base: local.base })
      }
      const kinds = (['fastify', 'http'] as const).flatMap((kind) => Array(processes).fill(kind))
      const bare = await startBare(services[0]!, kinds, folder, { path })
      try {
        const contenders = [...services, ...bare.contenders]
        const { rates, ratio } = await compare(contenders, { path, warmUp }, options)
        const more = await compare(services, { path, connections: 100 }, options)
        return [
          atLeast('cached page of 20 over Redis / bare Fastify', ratio('fastify'), 0.85),
          atLeast('... / bare node:http', ratio('http'), 0.9),
          atLeast('... / the same without Redis', ratio('without Redis'), 0.95),
          { what: '... with 100 connections', measured: formatValue(more.ratio('without Redis')) },
          {
            what: '... requests a second',
            measured: formatValue(rates.get('checked over Redis')!),
          },
        ]
      } finally {
        await bare.stop()
      }
    }),
} satisfies Bench
