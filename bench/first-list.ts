import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { atMost, type Bench, formatValue, medianOfFasterHalf, timed } from './bench.ts'
import { inTemporaryFolder } from './processes.ts'

const columns = 'id, title, type, year, score, episodes, genres'

/** The rows of a bench that times the service and a baseline by turns. */
export function compared(what: string, times: { service: number[]; baseline: number[] }) {
  const [service, baseline] = [times.service, times.baseline].map(medianOfFasterHalf)
  return [
    atMost(what, service! / baseline!, 1.5),
    {
      what: '... in milliseconds',
      measured: `${formatValue(service!, 'ms')} / ${formatValue(baseline!, 'ms')}`,
    },
  ]
}

export default {
  name: 'first-list',
  title: 'The first full list against select and JSON.stringify of the same rows',
  run: ({ rounds, log }) =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'anime.db')
      const app = await buildApp({
        config: loadConfig({ DATABASE_URL: `sqlite:${path}` }),
        fill: true,
      })
      await app.ready()
      await app.databaseState.connected
      const db = new DatabaseSync(path, { timeout: 5000 })
      const select = db.prepare(`select ${columns} from animes order by id`)
      const baseline = () => Buffer.from(JSON.stringify({ data: select.all() }))
      const miss = async () => {
        const answer = await app.inject('/v1/animes')
        if (!/fwd=miss/.test(String(answer.headers['cache-status']))) throw new Error('not a miss')
      }
      const times = { service: [] as number[], baseline: [] as number[] }
      for (let round = 0; round < 4 * rounds; round += 1) {
        db.exec(`insert into outbox (tags) values ('*')`)
        times.service.push(await timed(miss))
        times.baseline.push(await timed(baseline))
      }
      log(
        `very first: ${formatValue(times.service[0]!, 'ms')} against ${formatValue(times.baseline[0]!, 'ms')}`,
      )
      db.close()
      await app.close()
      return compared('first full list / select + JSON.stringify', times)
    }),
} satisfies Bench
