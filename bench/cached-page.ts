import { atLeast, type Bench, formatValue } from './bench.ts'
import { compare, formatProcessorTimes, startBare } from './compare.ts'
import { inTemporaryFolder, startService } from './processes.ts'

const path = '/v1/animes?limit=20'

export default {
  name: 'cached-page',
  title: 'A cached page of 20 against a bare Fastify route with the same bytes',
  run: (options) =>
    inTemporaryFolder(async (folder) => {
      const service = await startService(folder)
      const bare = await startBare(service, ['fastify', 'fastify-body', 'http'], folder, { path })
      try {
        const ours = { name: 'service', ...service }
        const { rates, ratio, processor } = await compare(
          [ours, ...bare.contenders],
          { path },
          options,
        )
        return [
          atLeast('cached page of 20 / bare Fastify', ratio('fastify'), 0.85),
          { what: '... / bare Fastify, body alone', measured: formatValue(ratio('fastify-body')) },
          atLeast('... / bare node:http', ratio('http'), 1),
          {
            what: '... processor time, service / bare node:http',
            measured: formatProcessorTimes(processor, 'http'),
          },
          { what: '... requests a second', measured: formatValue(rates.get('service')!) },
        ]
      } finally {
        await Promise.all([service.stop(), bare.stop()])
      }
    }),
} satisfies Bench
