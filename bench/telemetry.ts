import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atLeast, type Bench, shown } from './bench.ts'
import { compare } from './compare.ts'
import { inTemporaryFolder, startService } from './processes.ts'

const path = '/v1/animes?limit=20'
const guarded = { RATE_LIMIT_MAX: '1000000000', LOG_LEVEL: 'warn' }

/** A collector that takes everything and reads nothing, so that it costs as little as can be. */
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

export default {
  name: 'telemetry',
  title: 'A cached page of 20 with 5 % of the traces, all metrics and the log sent over OTLP',
  run: (options) =>
    inTemporaryFolder(async (folder) => {
      const collector = await startCollector()
      const service = (name: string, env: NodeJS.ProcessEnv) =>
        startService(folder, { ...guarded, DATABASE_URL: `sqlite:${folder}/${name}.db`, ...env })
      const on = await service('on', {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_TRACES_SAMPLER_ARG: '0.05',
      })
      const off = await service('off', {})
      try {
        const contenders = [
          { name: 'telemetry on', ...on },
          { name: 'telemetry off', ...off },
        ]
        const { rates, ratio, processor } = await compare(contenders, { path }, options)
        if (collector.received() === 0) throw new Error('the collector got nothing')
        return [
          atLeast('cached page of 20, telemetry on / off', ratio('telemetry off'), 0.85),
          { what: '... processor time of a request, on / off', measured: shares(processor) },
          { what: '... requests a second', measured: shown(rates.get('telemetry on')!) },
        ]
      } finally {
        await Promise.all([on.stop(), off.stop()])
        collector.stop()
      }
    }),
} satisfies Bench

const shares = (processor: Map<string, number>) =>
  [...processor.values()].map((microseconds) => `${microseconds.toFixed(1)} us`).join(' / ')
