import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { insertAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { newDatabase, type Teardown, temporaryFolder } from '../support/app.ts'
import { hostileTitles } from '../support/hostile.ts'
import { run } from '../support/process.ts'

/** A database on the database of the tests, and the commands that work on it in a folder. */
async function workplace(t: Teardown) {
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(database)
  const folder = temporaryFolder(t)
  const env = { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) }
  const command =
    (name: string) =>
    async (...args: string[]) => {
      const running = run(t, `bin/${name}.ts`, args, env, folder)
      const { code } = await running.exited
      return { code, stdout: running.stdout(), stderr: running.stderr() }
    }
  const all = async () => {
    const rows = await database.reader.selectFrom('animes').selectAll().orderBy('id').execute()
    const genres = await database.reader
      .selectFrom('anime_genres')
      .selectAll()
      .orderBy('anime_id')
      .orderBy('genre')
      .execute()
    return JSON.stringify([rows, genres])
  }
  return {
    database,
    url,
    all,
    path: (name: string) => join(folder, name),
    export: command('export'),
    import: command('import'),
    fill: (csv: Iterable<string>) => importCatalogue(csv, openStage(url)),
    add: async (titles: typeof hostileTitles) => {
      await database.writer.transaction().execute(async (trx) => {
        for (const values of titles) await insertAnime(database, trx, values)
      })
    },
  }
}

t.test(
  'an import of an export changes nothing, hostile titles and titles without a source too',
  async (t) => {
    const work = await workplace(t)
    await work.fill(generateCsv(1500))
    await work.add(hostileTitles)
    const before = await work.all()
    for (const file of ['a.csv', 'a.json.gz', 'a.ndjson.zst']) {
      t.match(await work.export(file), { code: 0, stderr: '' })
      const { code, stdout, stderr } = await work.import(file, '--replace')
      t.equal(code, 0, `${file} ${stderr}`)
      t.match(stdout, /: 0 added, 0 changed, \d+ unchanged, 0 removed, 0 rejected/, file)
      t.equal(await work.all(), before, file)
    }
    t.same(
      readdirSync(work.path('.')).filter((name) => name.includes('partial')),
      [],
    )
  },
)

t.test('an export makes the same catalogue of an empty database', async (t) => {
  const here = await workplace(t)
  await here.fill(generateCsv(1200))
  await here.add(hostileTitles)
  const there = await workplace(t)
  for (const file of ['a.ndjson']) {
    t.equal((await here.export(here.path(file))).code, 0)
    t.match(await there.import(here.path(file), '--replace'), { code: 0 })
    const values = (text: string) =>
      (JSON.parse(text)[0] as { id: number }[]).map(({ id, ...row }) => JSON.stringify(row)).sort()
    t.same(values(await there.all()), values(await here.all()))
  }
})

t.test(
  'standard output, a file that is not to be written, and a format that is none',
  async (t) => {
    const work = await workplace(t)
    await work.fill(generateCsv(2))
    const { stdout, code } = await work.export('-')
    t.equal(code, 0)
    t.match(
      stdout,
      /^anime_api_id,animeID,title,type,year,score,episodes,genres\r\n1,1,.*\r\n2,2,.*\r\n$/,
    )
    t.match(
      (await work.export('-', '--format', 'ndjson')).stdout,
      /^\{"anime_api_id":1,"animeID":1,"title":.*\}\n\{.*\}\n$/,
    )
    writeFileSync(work.path('there.csv'), 'as it was')
    const calls: [string[], RegExp][] = [
      [[], /^export: wants one file/],
      [['a.xls'], /^export: "xls" is no format: name the file \.csv/],
      [['a.csv', '--format', 'xml'], /^export: "xml" is no format/],
      [['none/a.csv'], /^export: ENOENT/],
    ]
    for (const [args, message] of calls) {
      const { code, stderr } = await work.export(...args)
      t.equal(code, 1)
      t.match(stderr, message)
    }
    t.equal(readFileSync(work.path('there.csv'), 'utf8'), 'as it was')
    symlinkSync('there.csv', work.path('link.csv'))
    t.equal((await work.export('link.csv')).code, 0)
    t.ok(lstatSync(work.path('link.csv')).isSymbolicLink(), 'a link stays one')
    t.equal(readFileSync(work.path('there.csv'), 'utf8'), stdout)
    t.notOk(existsSync(work.path('a.csv')))
  },
)
