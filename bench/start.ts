import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, type Bench, median, shown } from './bench.ts'
import { inTemporaryFolder, memoryOf, startService } from './processes.ts'

const path = '/v1/animes?limit=20'

/** How long a started service is left alone before its memory is read. */
const idle = 3000

export default {
  name: 'start',
  title: 'From spawn to the first page on a filled database, and memory when idle',
  run: ({ rounds, say }) =>
    inTemporaryFolder(async (folder) => {
      const filling = await startService(folder)
      await filling.stop()
      const times: number[] = []
      const memory: number[] = []
      for (let round = 0; round < rounds + 2; round += 1) {
        const service = await startService(folder, {}, path)
        times.push(service.took)
        if (round < 3) {
          await sleep(idle)
          memory.push(memoryOf(service.child).resident)
        }
        await service.stop()
        say(`start ${round + 1}: ${shown(service.took, 'ms')}`)
      }
      return [
        atMost('start to the first 200', median(times), 400, 'ms'),
        { what: '... the fastest', measured: shown(Math.min(...times), 'ms') },
        atMost('idle memory', median(memory), 120, 'MiB'),
      ]
    }),
} satisfies Bench
