import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, type Bench, formatValue, median } from './bench.ts'
import { inTemporaryFolder, memoryOf, startService } from './processes.ts'

const path = '/v1/animes?limit=20'

/** Milliseconds without requests before the memory is read. */
const idleTime = 3000

export default {
  name: 'start',
  title: 'From spawn to the first page on a filled database, and memory when idle',
  run: ({ rounds, log }) =>
    inTemporaryFolder(async (folder) => {
      const filling = await startService(folder)
      await filling.stop()
      const times: number[] = []
      const memory: number[] = []
      for (let round = 0; round < rounds + 2; round += 1) {
        const service = await startService(folder, {}, path)
        times.push(service.startupTime)
        if (round < 3) {
          await sleep(idleTime)
          memory.push(memoryOf(service.child).resident)
        }
        await service.stop()
        log(`start ${round + 1}: ${formatValue(service.startupTime, 'ms')}`)
      }
      return [
        atMost('start to the first 200', median(times), 400, 'ms'),
        { what: '... the fastest', measured: formatValue(Math.min(...times), 'ms') },
        atMost('idle memory', median(memory), 120, 'MiB'),
      ]
    }),
} satisfies Bench
