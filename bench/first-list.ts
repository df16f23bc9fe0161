import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { atMost, type Bench, shown, timed, undisturbed } from './bench.ts'
import { inTemporaryFolder } from './processes.ts'

const columns = 'id, title, type, year, score, episodes, genres'

export default {
  name: 'first-list',
  title: 'The first full list against select and JSON.stringify of the same rows',
  run: ({ rounds, say }) =>
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
      const plain = () => Buffer.from(JSON.stringify({ data: select.all() }))
      const first = async () => {
        const answer = await app.inject('/v1/animes')
        if (!/fwd=miss/.test(String(answer.headers['cache-status']))) throw new Error('not a miss')
      }
      const times = { ours: [] as number[], plain: [] as number[] }
      for (let round = 0; round < 4 * rounds; round += 1) {
        db.exec(`insert into outbox (tags) values ('*')`)
        times.ours.push(await timed(first))
        times.plain.push(await timed(plain))
      }
      say(`very first: ${shown(times.ours[0]!, 'ms')} against ${shown(times.plain[0]!, 'ms')}`)
      db.close()
      await app.close()
      const [ours, theirs] = [undisturbed(times.ours), undisturbed(times.plain)]
      return [
        atMost('first full list / select + JSON.stringify', ours / theirs, 1.5),
        { what: '... in milliseconds', measured: `${shown(ours, 'ms')} / ${shown(theirs, 'ms')}` },
      ]
    }),
} satisfies Bench
