import { Request } from 'tedious'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { execute } from '../db/dialects/mssql-request.ts'
import { generateCsv } from '../db/import/generate.ts'
import { importCatalogue } from '../db/import/import.ts'
import { openStage } from '../db/import/stage.ts'
import { freshDatabase, mssqlTestUrl, openSql } from '../test/support/mssql.ts'
import { type Bench, timed } from './bench.ts'
import { compared } from './first-list.ts'

const columns = 'id, title, type, year, score, episodes, genres'

export default {
  name: 'first-list-mssql',
  title: 'The first full list from SQL Server against select by tedious and JSON.stringify',
  run: async ({ rounds, log }) => {
    if (mssqlTestUrl === undefined) {
      log('skipped: MSSQL_TEST_URL is not set')
      return []
    }
    const teardowns: (() => unknown)[] = []
    const DATABASE_URL = await freshDatabase({ teardown: (fn) => void teardowns.unshift(fn) })
    const config = loadConfig({ DATABASE_URL, JWT_SECRET: 'x'.repeat(32) })
    const app = await buildApp({ config })
    await app.ready()
    await app.databaseState.connected
    await importCatalogue(generateCsv(), openStage(config.DATABASE_URL))
    const sql = await openSql(DATABASE_URL)
    const times = { service: [] as number[], baseline: [] as number[] }
    const baseline = async () => {
      const select = (done: ConstructorParameters<typeof Request>[1]) =>
        new Request(`select ${columns} from animes order by id`, done)
      const { rows } = await execute(sql.connection, select)
      return Buffer.from(JSON.stringify({ data: rows }))
    }
    const miss = async () => {
      const answer = await app.inject('/v1/animes')
      if (!/fwd=miss/.test(String(answer.headers['cache-status']))) throw new Error('not a miss')
    }
    for (let round = 0; round < 4 * rounds; round += 1) {
      app.cache.memory.delete('animes:all')
      times.service.push(await timed(miss))
      times.baseline.push(await timed(baseline))
    }
    await sql.close()
    await app.close()
    for (const teardown of teardowns) await teardown()
    return compared('first full list / tedious select + JSON.stringify', times)
  },
} satisfies Bench
