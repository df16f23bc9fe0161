import { sql as statement } from 'kysely'
import t from 'tap'
import { type Connection, TYPES } from 'tedious'
import { openDatabase } from '../../db/database.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { type ImportOptions, importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import type { Teardown } from '../support/app.ts'
import { startApp, testConfig } from '../support/app.ts'
import { freshDatabase, openSql, withoutMssql } from '../support/mssql.ts'
import { until } from '../support/until.ts'
import { csvOf, odd, type Raw, refused, taken } from './cleaning-cases.ts'

interface Catalogue {
  url: string
  database: Database
  import: (
    csv: Iterable<string> | AsyncIterable<string>,
    options?: ImportOptions,
  ) => ReturnType<typeof importCatalogue>
  titles: () => Promise<unknown[]>
  genres: () => Promise<string[]>
  outbox: () => Promise<string[]>
  count: (table: 'animes' | 'animes_staging' | 'animes_clean') => Promise<number>
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
    import: (csv, options) => importCatalogue(csv, openStage(config.DATABASE_URL), options),
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

t.test('an import does not wait for one of another database', { skip: withoutMssql }, async (t) => {
  const one = await openCatalogue(t, await freshDatabase(t))
  const other = await openCatalogue(t, await freshDatabase(t))
  async function* slowly() {
    yield 'animeID,title\n1,A\n'
    t.match(await other.import(['animeID,title\n1,A\n']), { added: 1 })
    yield '2,B\n'
  }
  t.match(await one.import(slowly()), { added: 2 })
})

t.test('the import into SQL Server', { skip: withoutMssql }, async (t) => {
  const sqlite = await onSqlite(t)
  const mssql = await onMssql(t)

  await t.test('gives the rows, the genres and the counts that SQLite gets', async (t) => {
    for (const options of [{}, {}, { replace: true }]) {
      const summary = await mssql.import(csvOf(odd), options)
      t.strictSame(summary, await sqlite.import(csvOf(odd), options))
      t.strictSame(await mssql.titles(), await sqlite.titles())
      t.strictSame(await mssql.genres(), await sqlite.genres())
      t.equal(await mssql.count('animes_clean'), 0, 'what was merged is cleared away')
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
    const untitled = refused.filter(([, column]) => column === 'title').map(([raw]) => raw)
    await t.rejects(mssql.import(csvOf(untitled), { replace: true }), /rejected/)
    t.strictSame([await mssql.titles(), await mssql.outbox()], before)
    t.equal(await mssql.count('animes_clean'), 0)
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
    // An id that is none of ours leaves its row without one.
    t.match(summary, { read: 8, rejected: 6 })
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
    const { added, rejected } = await sqlite.import(csvOf(odd), { strict: true })
    const [counts] = await sql.run("exec import_animes 'run 1', 0")
    t.strictSame(counts, { added, changed: 0, unchanged: 0, removed: 0, skipped: rejected })
    const rows = (await mssql.titles()) as object[]
    t.strictSame(
      rows.map((row) => Object.values(row)),
      taken.map(([, row]) => row),
    )
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
  await importCatalogue(generateCsv(500), openStage(config.DATABASE_URL))
  const counts = new Set<number>()
  let importing = true
  const reading = (async () => {
    while (importing) {
      const rows = await database.reader.selectFrom('animes').select('id').execute()
      counts.add(rows.length)
    }
  })()
  await importCatalogue(generateCsv(3000), openStage(config.DATABASE_URL))
  importing = false
  await reading
  const rows = await database.reader.selectFrom('animes').select('id').execute()
  t.equal(rows.length, 3000)
  t.strictSame(
    [...counts].filter((count) => count !== 500 && count !== 3000),
    [],
  )
})

t.test('what Data Factory loads is searched by the service', { skip: withoutMssql }, async (t) => {
  const url = await freshDatabase(t)
  const app = await startApp(t, { DATABASE_URL: url })
  const sql = await openSql(url)
  t.teardown(() => sql.close())
  const load = async (batch: string, rows: [string, string][], replace: 0 | 1) => {
    const raw = rows.map(
      ([id, title]): Raw => [id, title, 'TV', '1998', '8.75', '26', "['Action']"],
    )
    await stageRaw(sql.connection, batch, raw)
    await sql.run(`exec import_animes '${batch}', ${replace}`)
  }
  const found = async (q: string) => {
    const answer = await app.inject(`/v1/animes?q=${q}&fields=title`)
    return answer.json().data.map(({ title }: { title: string }) => title)
  }
  const finds = (q: string, titles: string[]) =>
    until(`${q} finds ${titles}`, async () => String(await found(q)) === String(titles))
  await load(
    'run 1',
    [
      ['1', 'Étoile Rouge'],
      ['2', 'Étoile Bleue'],
    ],
    0,
  )
  await finds('etoile', ['Étoile Rouge', 'Étoile Bleue'])
  await load(
    'run 2',
    [
      ['2', 'Lune Bleue'],
      ['3', 'Lune Noire'],
    ],
    1,
  )
  await finds('lune', ['Lune Bleue', 'Lune Noire'])
  t.same(await found('etoile'), [])
  const sorted = await app.inject('/v1/animes?sort=-title&fields=title')
  t.same(sorted.json().data, [{ title: 'Lune Noire' }, { title: 'Lune Bleue' }])
  const { rows } = await statement`select id from search_queue`.execute(app.database.reader)
  t.same(rows, [])
})
