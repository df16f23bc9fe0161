import t from 'tap'
import { openDatabase } from '../../../db/database.ts'
import { generateCsv } from '../../../db/import/generate.ts'
import { importCatalogue } from '../../../db/import/import.ts'
import { openStage } from '../../../db/import/stage.ts'
import { migrate } from '../../../db/migrate.ts'
import { adminHeaders, environment } from '../../coherence/subject.ts'
import { newDatabase } from '../../support/app.ts'
import { databaseReady, startServer } from '../../support/process.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const preload = new URL('../../coherence/preload.ts', import.meta.url).href
const points = { 'before the mark': false, marked: false, committed: true, finished: true }

t.jobs = 2
for (const [point, kept] of Object.entries(points)) {
  t.test(
    `an instance killed in a write, ${point}: the others stay right and recover`,
    async (t) => {
      const redis = await startRedis(t)
      const url = await newDatabase(t)
      const database = await openDatabase(url)
      t.teardown(() => database.close())
      await migrate(database)
      const stage = openStage(url)
      await importCatalogue(generateCsv(20), stage)
      const env = { ...environment, DATABASE_URL: url, REDIS_URL: redis.url }
      const dying = { ...env, NODE_OPTIONS: `--import=${preload}`, CRASH_AT: point }
      const [victim, witness] = await Promise.all([startServer(t, dying), startServer(t, env)])
      await Promise.all([databaseReady(victim.url), databaseReady(witness.url)])

      const list = async () => {
        const answer = await fetch(`${witness.url}/v1/animes?type=TV`)
        const { data } = (await answer.json()) as { data: { title: string }[] }
        const hit = answer.headers.get('cache-status')!.startsWith('anime-api; hit;')
        return { hit, shown: data.some(({ title }) => title === 'Half done') }
      }
      await until('the list is cached', async () => (await list()).hit)
      const body = JSON.stringify({ title: 'Half done', type: 'TV' })
      const headers = { ...adminHeaders, 'content-type': 'application/json' }
      await t.rejects(fetch(`${victim.url}/v1/animes`, { method: 'POST', headers, body }))
      t.equal((await victim.exited).signal, 'SIGKILL')
      const rows = await database.reader
        .selectFrom('animes')
        .select('id')
        .where('title', '=', 'Half done')
        .execute()
      t.equal(
        rows.length === 1,
        kept,
        kept ? 'the write was committed' : 'the write was rolled back',
      )
      await until(
        'the list is cached again',
        async () => {
          const seen = await list()
          if (seen.shown !== kept) throw new Error(`the list ${kept ? 'lacks' : 'has'} the title`)
          return seen.hit
        },
        15_000,
      )
      const left = () => database.reader.selectFrom('outbox').select('id').execute()
      await until('the outbox is empty', async () => (await left()).length === 0)
    },
  )
}
