import { atLeast, type Bench, type Figure, formatValue } from './bench.ts'
import { compare, formatProcessorTimes, startBare } from './compare.ts'
import { inTemporaryFolder, startService } from './processes.ts'

const path = '/v1/animes'

export default {
  name: 'cached-list',
  title: 'The cached full list against a bare node:http server with the same bytes',
  run: (options) =>
    inTemporaryFolder(async (folder) => {
      const service = await startService(folder)
      const figures: Figure[] = []
      try {
        for (const coding of ['identity', 'zstd', 'br', 'gzip']) {
          const request = { path, headers: { 'accept-encoding': coding } }
          const bare = await startBare(service, ['http'], folder, request)
          options.log(`full list, ${coding}, ${formatValue(bare.bytes / 1024, 'KiB')}`)
          const ours = { name: 'service', ...service }
          const contenders = [ours, ...bare.contenders]
          const { rates, ratio, processor } = await compare(contenders, request, options).finally(
            bare.stop,
          )
          figures.push(
            atLeast(`cached full list, ${coding} / node:http`, ratio('http'), 0.95),
            {
              what: '... processor time, service / node:http',
              measured: formatProcessorTimes(processor, 'http'),
            },
            { what: '... requests a second', measured: formatValue(rates.get('service')!) },
          )
        }
        return figures
      } finally {
        await service.stop()
      }
    }),
} satisfies Bench
