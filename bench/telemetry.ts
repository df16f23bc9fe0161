import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atLeast, type Bench, formatValue } from './bench.ts'
import { compare } from './compare.ts'
import { inTemporaryFolder, type Started, startService } from './processes.ts'

const path = '/v1/animes?limit=20'
const benchSettings = { RATE_LIMIT_MAX: '1000000000', LOG_LEVEL: 'warn' }

/** A collector that accepts and discards everything, to cost as little as possible. */
async function startCollector() {
  let received = 0
  const server = createServer((request, response) => {
    received += 1
    request.resume().on('end', () => response.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, received: () => received, stop: () => server.close() }
}

/**
 * Processes per setting. Processes of the same service differ by 10 % and more for as long as they live
 * (memory layout, order of compilation), so one of each would not do.
 */
const pairs = 3

export default {
  name: 'telemetry',
  title: 'A cached page of 20 with 5 % of the traces, all metrics and the log sent over OTLP',
  run: (options) =>
    inTemporaryFolder(async (folder) => {
      const collector = await startCollector()
      const contenders: (Started & { name: string })[] = []
      const add = async (name: string, env: NodeJS.ProcessEnv) => {
        const DATABASE_URL = `sqlite:${folder}/anime.db`
        contenders.push({
          name,
          ...(await startService(folder, { ...benchSettings, DATABASE_URL, ...env })),
        })
      }
      try {
        for (let pair = 1; pair <= pairs; pair += 1) {
          await add('on', {
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
            OTEL_TRACES_SAMPLER_ARG: '0.05',
          })
          await add('off', {})
        }
        const { rates, processor, ratio } = await compare(contenders, { path }, options)
        if (collector.received() === 0) throw new Error('the collector received nothing')
        const times = ['on', 'off'].map((name) => processor.get(name)!)
        return [
          atLeast('cached page of 20, telemetry on / off', ratio('off'), 0.85),
          {
            what: '... processor time of a request, on / off',
            measured: times.map((microseconds) => `${microseconds.toFixed(1)} us`).join(' / '),
          },
          { what: '... requests a second', measured: formatValue(rates.get('on')!) },
        ]
      } finally {
        await Promise.all(contenders.map(({ stop }) => stop()))
        collector.stop()
      }
    }),
} satisfies Bench
