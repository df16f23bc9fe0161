import t from 'tap'
import { type Connection, TYPES } from 'tedious'
import { openDatabase } from '../../db/database.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { csvHeader, generateCsv } from '../../db/import/generate.ts'
import { type ImportOptions, importCsv } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import type { Teardown } from '../support/app.ts'
import { testConfig } from '../support/app.ts'
import { freshDatabase, openSql, withoutMssql } from '../support/mssql.ts'

/** The texts of one CSV row that the catalogue keeps, raw. */
type Raw = [
  id: string,
  title: string,
  type: string,
  year: string,
  score: string,
  episodes: string,
  genres: string,
]

/** Every way a text of the CSV can be good, unknown, or bad. */
const odd: Raw[] = [
  ['1', ' Cowboy Bebop\t', 'tv', '1998', '8.75', '26', "['Action', 'Sci-Fi']"],
  ['2', 'All unknown', '?', '?', '?', '?', '?'],
  ['3', 'All empty', '', '', '', '', ''],
  ['4', 'Words for unknown', 'UnKnown', 'NaN', 'none', 'N/A', 'null'],
  ['005.0', 'Decimals', 'Movie', '2001.00', '7', '12.0', '[]'],
  ['-0', 'Nothing below nothing', 'OVA', '2001', '7.0', '00.00', '[ ]'],
  ['7', 'Unaired, no year', 'TV', '?', '10', '12', "['Drama']"],
  ['8', 'Unaired, no episodes', 'TV', '2030', '10.0', '0', "['Drama']"],
  ['9', 'Aired with a ten', 'TV', '2010', '10', '12', "['Drama']"],
  ['10', 'Half a hundredth, in binary', 'TV', '2010', '1.005', '12', "['Drama']"],
  ['11', 'Half a hundredth', 'TV', '2010', '7.125', '12', "['Drama']"],
  ['12', 'A long score', 'TV', '2010', '6.66666666666666666666', '100000', "['Drama']"],
  ['13', '進撃の巨人 😀 Café É', 'ONA', '1900', '0', '1', "['進撃', \"Coup d'etat\"]"],
  [
    '14',
    '\u00a0\u3000Blanks of all kinds\u2003\ufeff',
    ' special ',
    ' 2100 ',
    ' 5.5\t',
    '\n3 ',
    " ['A'] ",
  ],
  [
    '15',
    'A list of escapes',
    'TV',
    '2000',
    '5',
    '1',
    String.raw`['it\'s', "say \"hi\"", 'back\\slash', 'd\rop']`,
  ],
  [
    '16',
    'Controls',
    'TV',
    '2000',
    '5',
    '1',
    "['tab\there', 'new\nline', 'unit\u001fsep', 'sl/ash']",
  ],
  ['17', 'Bare names', 'TV', '2000', '5', '1', '[Action, Slice of Life ,Drama]'],
  ['18', 'One bare name', 'TV', '2000', '5', '1', 'Action'],
  ['19', 'Repeats and blanks', 'TV', '2000', '5', '1', "[ 'A' , ' A ','B',\"A\", ]"],
  ['20', 'Commas and quotes inside', 'TV', '2000', '5', '1', `['a, b', "c ' d", 'e " f']`],
  ['21', 'Thirty-two', 'TV', '2000', '5', '1', list(32)],
  ['22', 'Sixty-four', 'TV', '2000', '5', '1', `['${'g'.repeat(64)}']`],
  ['23', 'x'.repeat(400), 'TV', '2000', '5', '1', '[]'],
  ['24', 'A bare name that ends in a backslash', 'TV', '2000', '5', '1', '[ab\\,c\\]'],
  ['25', 'Case matters', 'TV', '2000', '5', '1', "['drama', 'Drama', 'DRAMA']"],
  ['2147483647', 'The last id', 'MUSIC', '2000', '5', '1', "['x']"],
  ['1', 'The id of an earlier row', 'TV', '2000', '5', '1', '[]'],
  ['1.0', 'And again', 'TV', '2000', '5', '1', '[]'],
  ['', 'No id', 'TV', '2000', '5', '1', '[]'],
  ['?', 'No id', 'TV', '2000', '5', '1', '[]'],
  ['2147483648', 'An id too high', 'TV', '2000', '5', '1', '[]'],
  ['99999999999', 'An id too long', 'TV', '2000', '5', '1', '[]'],
  ['-1', 'An id too low', 'TV', '2000', '5', '1', '[]'],
  ['1e3', 'No id', 'TV', '2000', '5', '1', '[]'],
  ['50.', 'No id', 'TV', '2000', '5', '1', '[]'],
  ['.5', 'No id', 'TV', '2000', '5', '1', '[]'],
  ['51', ' ', 'TV', '2000', '5', '1', '[]'],
  ['52', '?', 'TV', '2000', '5', '1', '[]'],
  ['53', 'x'.repeat(401), 'TV', '2000', '5', '1', '[]'],
  ['54', 'broken \ufffd text', 'TV', '2000', '5', '1', '[]'],
  ['55', 'No such type', 'Play', '2000', '5', '1', '[]'],
  ['56', 'No such year', 'TV', '1899', '5', '1', '[]'],
  ['57', 'No such year', 'TV', '2101', '5', '1', '[]'],
  ['58', 'No such year', 'TV', '20 00', '5', '1', '[]'],
  ['59', 'No such year', 'TV', '99999999999999999999', '5', '1', '[]'],
  ['60', 'No such score', 'TV', '2000', '10.01', '1', '[]'],
  ['61', 'No such score', 'TV', '2000', '-1', '1', '[]'],
  ['62', 'No such score', 'TV', '2000', '7,5', '1', '[]'],
  ['63', 'No such score', 'TV', '2000', '7.', '1', '[]'],
  ['64', 'No such score', 'TV', '2000', '.7', '1', '[]'],
  ['65', 'No such score', 'TV', '2000', '7.5.1', '1', '[]'],
  ['66', 'No such score', 'TV', '2000', '1e1', '1', '[]'],
  ['67', 'Too many episodes', 'TV', '2000', '5', '100001', '[]'],
  ['68', 'Half an episode', 'TV', '2000', '5', '1.5', '[]'],
  ['69', 'Fewer than none', 'TV', '2000', '5', '-1', '[]'],
  ['70', 'Thirty-three', 'TV', '2000', '5', '1', list(33)],
  ['71', 'Sixty-five', 'TV', '2000', '5', '1', `['${'g'.repeat(65)}']`],
  ['72', 'No closing quote', 'TV', '2000', '5', '1', "['A"],
  ['73', 'No comma', 'TV', '2000', '5', '1', "['A' 'B']"],
  ['74', 'A name of nothing', 'TV', '2000', '5', '1', "['A','']"],
  ['75', 'Two commas', 'TV', '2000', '5', '1', "['A',,'B']"],
  ['76', 'A quote in a bare name', 'TV', '2000', '5', '1', "[it's]"],
  ['77', 'Broken genres', 'TV', '2000', '5', '1', "['\ufffd']"],
  ['78', 'An escaped quote in a bare name', 'TV', '2000', '5', '1', String.raw`[it\'s]`],
]

function list(count: number): string {
  return `[${Array.from({ length: count }, (_, at) => `'g${at}'`).join(', ')}]`
}

function* csvOf(rows: Raw[]): Generator<string> {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
  yield `${csvHeader.join()}\r\n`
  for (const [id, title, type, year, score, episodes, genres] of rows) {
    const record = [id, title, '', type, year, score, episodes, '', '', '', genres, '[]']
    yield `${record.map(quote).join()}\r\n`
  }
}

interface Catalogue {
  url: string
  database: Database
  import: (csv: Iterable<string>, options?: ImportOptions) => ReturnType<typeof importCsv>
  titles: () => Promise<unknown[]>
  genres: () => Promise<string[]>
  outbox: () => Promise<string[]>
  count: (table: 'animes' | 'animes_staging') => Promise<number>
}

async function openCatalogue(t: Teardown, url: string): Promise<Catalogue> {
  const config = testConfig(t, { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) })
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(database)
  const { reader } = database
  return {
    url,
    database,
    import: (csv, options) => importCsv(csv, openStage(config.DATABASE_URL, database), options),
    titles: async () => {
      const query = reader.selectFrom('animes').orderBy('id')
      const columns = ['source_id', 'title', 'type', 'year', 'score', 'episodes', 'genres'] as const
      const rows = await query.select(columns).execute()
      return rows.map((row) => ({ ...row }))
    },
    genres: async () => {
      const rows = await reader
        .selectFrom('anime_genres as g')
        .innerJoin('animes as a', 'a.id', 'g.anime_id')
        .select(['a.source_id', 'g.genre'])
        .execute()
      return rows.map(({ source_id, genre }) => `${source_id} ${genre}`).sort()
    },
    outbox: async () => {
      const rows = await reader.selectFrom('outbox').select('tags').execute()
      return rows.map(({ tags }) => tags)
    },
    count: async (table) => {
      const rows = reader.selectFrom(table as 'animes').select(({ fn }) => fn.countAll().as('n'))
      return Number((await rows.executeTakeFirstOrThrow()).n)
    },
  }
}

async function onSqlite(t: Teardown) {
  return openCatalogue(t, testConfig(t).DATABASE_URL)
}

async function onMssql(t: Teardown) {
  return openCatalogue(t, await freshDatabase(t))
}

/** Puts raw texts into staging, as Data Factory's copy does: `?` is null there. */
function stageRaw(connection: Connection, batch: string, rows: Raw[]): Promise<void> {
  const answer = Promise.withResolvers<void>()
  const load = connection.newBulkLoad('animes_staging', { keepNulls: true }, (error) =>
    error ? answer.reject(error) : answer.resolve(),
  )
  const columns = ['batch', 'source_id', 'title', 'type', 'year', 'score', 'episodes', 'genres']
  for (const column of columns) {
    const length = column === 'genres' ? Number.POSITIVE_INFINITY : 4000
    load.addColumn(column, TYPES.NVarChar, { nullable: true, length })
  }
  connection.execBulkLoad(
    load,
    rows.map((row) => [batch, ...row.map((text) => (text === '?' ? null : text))]),
  )
  return answer.promise
}

if (!withoutMssql) t.setTimeout(600_000)

t.test('the import into SQL Server', { skip: withoutMssql }, async (t) => {
  const sqlite = await onSqlite(t)
  const mssql = await onMssql(t)

  await t.test('gives the rows, the genres and the counts that SQLite gets', async (t) => {
    for (const options of [{}, {}, { replace: true }]) {
      const summary = await mssql.import(csvOf(odd), options)
      t.strictSame(summary, await sqlite.import(csvOf(odd), options))
      t.strictSame(await mssql.titles(), await sqlite.titles())
      t.strictSame(await mssql.genres(), await sqlite.genres())
      t.equal(await mssql.count('animes_staging'), 0, 'staging is empty again')
    }
    t.strictSame(await mssql.outbox(), ['*'], 'the outbox tells the cache of the one that changed')
  })

  await t.test('changes what differs, and a change of case differs', async (t) => {
    const changes = (text: string) =>
      text.replace('Cowboy', 'COWBOY').replace("'Sci-Fi'", "'Space'")
    const changed = [...csvOf(odd.slice(0, 20))].map(changes)
    const summary = await mssql.import(changed)
    t.strictSame(summary, await sqlite.import(changed))
    t.equal(summary.changed, 1)
    t.strictSame(await mssql.titles(), await sqlite.titles())
    t.strictSame(await mssql.genres(), await sqlite.genres())
  })

  await t.test('keeps nothing of a dry run, a stopped one or one with no usable row', async (t) => {
    const before = [await mssql.titles(), await mssql.outbox()]
    const dry = await mssql.import(csvOf(odd.slice(0, 3)), { dryRun: true, replace: true })
    t.match(dry, { unchanged: 2, changed: 1 })
    const controller = new AbortController()
    const signal = controller.signal
    await t.rejects(
      mssql.import(generateCsv(3000), { signal, onProgress: () => controller.abort() }),
      { message: 'stopped; nothing was changed' },
    )
    await t.rejects(mssql.import(csvOf(odd.slice(-3)), { replace: true }), /rejected/)
    t.strictSame([await mssql.titles(), await mssql.outbox()], before)
    t.equal(await mssql.count('animes_staging'), 0)
  })

  await t.test('takes no U+0000, whatever the column', async (t) => {
    const good: Raw = ['1', 'Cowboy Bebop', 'TV', '1998', '8.75', '26', "['Action']"]
    const rows = good.map((text, column) => {
      const row: Raw = [...good]
      row[0] = String(column + 10)
      row[column] = `${text.slice(0, 3)}\0${text.slice(3)}`
      return row
    })
    const summary = await mssql.import(csvOf([good, ...rows]))
    t.match(summary, { read: 8, rejected: 7 })
    t.strictSame(summary, await sqlite.import(csvOf([good, ...rows])))
    t.strictSame(await mssql.titles(), await sqlite.titles())
  })

  await t.test('with replace removes what the file does not have', async (t) => {
    const summary = await mssql.import(csvOf(odd.slice(0, 4)), { replace: true })
    t.strictSame(summary, await sqlite.import(csvOf(odd.slice(0, 4)), { replace: true }))
    t.strictSame(await mssql.genres(), await sqlite.genres())
  })

  await t.test('takes whole catalogues, in batches of any size', async (t) => {
    for (const batch of [1000, 333]) {
      const summary = await mssql.import(generateCsv(4000), { batch, replace: true })
      t.strictSame(summary, await sqlite.import(generateCsv(4000), { batch, replace: true }))
    }
    t.strictSame(await mssql.titles(), await sqlite.titles())
    t.strictSame(await mssql.genres(), await sqlite.genres())
  })
})

t.test('the procedure, given the raw text by Data Factory', { skip: withoutMssql }, async (t) => {
  const mssql = await onMssql(t)
  const sqlite = await onSqlite(t)
  const sql = await openSql(mssql.url)
  t.teardown(() => sql.close())

  await t.test('cleans it as the importer does', async (t) => {
    await stageRaw(sql.connection, 'run 1', odd)
    const { added, rejected } = await sqlite.import(csvOf(odd))
    const [counts] = await sql.run("exec import_animes 'run 1', 0")
    t.strictSame(counts, { added, changed: 0, unchanged: 0, removed: 0, skipped: rejected })
    t.strictSame(await mssql.titles(), await sqlite.titles())
    t.strictSame(await mssql.genres(), await sqlite.genres())
    t.strictSame(await mssql.outbox(), ['*'])
  })

  await t.test('leaves the rows of other batches alone', async (t) => {
    await stageRaw(sql.connection, 'run 2', odd.slice(0, 3))
    await stageRaw(sql.connection, 'run 3', odd.slice(0, 2))
    await sql.run("exec import_animes 'run 3', 1")
    t.equal(await mssql.count('animes'), 2)
    t.equal(await mssql.count('animes_staging'), 3)
  })

  await t.test('refuses a batch of nothing, and to empty the catalogue for it', async (t) => {
    const before = await mssql.outbox()
    for (const parameters of ["'no such run'", "'no such run', 1", 'null, 1']) {
      const call = sql.run(`exec import_animes ${parameters}`)
      await t.rejects(call, /no row of the batch can be taken/)
    }
    t.equal(await mssql.count('animes'), 2)
    t.strictSame(await mssql.outbox(), before)
  })

  await t.test('needs a batch for each row, no more', async (t) => {
    await t.rejects(sql.run("insert into animes_staging (title) values (N'x')"), /null/i)
    await sql.run("insert into animes_staging (batch) values ('run 4')")
    await t.rejects(sql.run("exec import_animes 'run 4', 1"), /no row of the batch/)
    t.equal(await mssql.count('animes'), 2)
  })
})

t.test('nobody sees half an import, and nobody waits for it', { skip: withoutMssql }, async (t) => {
  const { database, url } = await onMssql(t)
  const config = testConfig(t, { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) })
  await importCsv(generateCsv(500), openStage(config.DATABASE_URL, database))
  const counts = new Set<number>()
  let importing = true
  const reading = (async () => {
    while (importing) {
      const rows = await database.reader.selectFrom('animes').select('id').execute()
      counts.add(rows.length)
    }
  })()
  await importCsv(generateCsv(3000), openStage(config.DATABASE_URL, database))
  importing = false
  await reading
  const rows = await database.reader.selectFrom('animes').select('id').execute()
  t.equal(rows.length, 3000)
  t.strictSame(
    [...counts].filter((count) => count !== 500 && count !== 3000),
    [],
  )
})
