import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import {
  countAnimes,
  deleteAnime,
  findAnime,
  insertAnime,
  type ListQuery,
  listAnimes,
  lockAnime,
  updateAnime,
} from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import type { SortKey } from '../../db/keyset.ts'
import { migrate } from '../../db/migrate.ts'
import { newDatabase, onMssql, testConfig } from '../support/app.ts'
import { sentStatements } from '../support/statements.ts'

async function open(t: Test, titles = 0) {
  const DATABASE_URL = await newDatabase(t)
  const database = await openDatabase(DATABASE_URL)
  t.teardown(() => database.close())
  await migrate(database)
  const config = testConfig(t, { DATABASE_URL, JWT_SECRET: 'x'.repeat(32) })
  if (titles > 0)
    await importCatalogue(generateCsv(titles), openStage(config.DATABASE_URL, database))
  return { ...database, path: DATABASE_URL.slice('sqlite:'.length) }
}

const bebop = {
  title: 'Cowboy Bebop',
  type: 'TV',
  year: 1998,
  score: 8.75,
  episodes: 26,
  genres: '["Action","Sci-Fi"]',
}

t.test('a title is added, changed and removed together with its genres', async (t) => {
  const database = await open(t)
  const { reader, writer } = database
  const write = <T>(work: (trx: Parameters<typeof updateAnime>[0]) => Promise<T>) =>
    writer.transaction().execute(work)
  const genresOf = async () => {
    const rows = await reader.selectFrom('anime_genres').selectAll().orderBy('genre').execute()
    return rows.map(({ genre }) => genre)
  }
  const row = await write((trx) => insertAnime(database, trx, bebop))
  t.strictSame({ ...(await findAnime(reader, row.id)) }, { ...row, ...bebop })
  t.strictSame(await genresOf(), ['Action', 'Sci-Fi'])

  const locked = await write((trx) => lockAnime(database, trx, row.id))
  t.strictSame({ ...locked }, { ...row })
  const changed = await write((trx) => updateAnime(trx, row, { score: null, genres: '["Drama"]' }))
  t.strictSame(changed, { ...row, score: null, genres: '["Drama"]' })
  t.strictSame({ ...(await findAnime(reader, row.id)) }, changed)
  t.strictSame(await genresOf(), ['Drama'])
  const byGenre = (genre: string) =>
    listAnimes(database, { filters: { genre: [genre] }, sort: [] }).then(({ total }) => total)
  t.strictSame([await byGenre('Action'), await byGenre('Drama')], [0, 1])

  await write((trx) => deleteAnime(trx, row.id))
  t.equal(await findAnime(reader, row.id), undefined)
  t.strictSame(await genresOf(), [])
})

t.test('an id is never given out twice', async (t) => {
  const database = await open(t)
  const add = () =>
    database.writer.transaction().execute((trx) => insertAnime(database, trx, bebop))
  const first = await add()
  await database.writer.transaction().execute((trx) => deleteAnime(trx, first.id))
  t.ok((await add()).id > first.id)
})

t.test('a page and its total are one statement, and so are the counts', async (t) => {
  const database = await open(t, 50)
  sentStatements()
  await listAnimes(database, { filters: { type: 'TV' }, sort: [], limit: 5 })
  t.equal(sentStatements().length, 1)
  await countAnimes(database)
  t.equal(sentStatements().length, 1)
})

/** As SQLite plans it. */
const skip = onMssql && 'SQLite only'

t.test('filters and sorts that have an index use it', { skip }, async (t) => {
  const database = await open(t, 2000)
  const past = new DatabaseSync(database.path)
  t.teardown(() => past.close())
  const planOf = async (query: ListQuery) => {
    sentStatements()
    await listAnimes(database, query)
    const [sql] = sentStatements()
    const steps = past.prepare(`explain query plan ${sql}`).all()
    return steps.map(({ detail }) => detail).join('; ')
  }
  const sortedBy = (column: SortKey['column'], descending: boolean): ListQuery => ({
    filters: {},
    sort: [{ column, descending }],
    limit: 20,
  })
  t.match(await planOf({ filters: { genre: ['Drama'] }, sort: [] }), /g USING .*genre=\?/)
  t.match(await planOf({ filters: { type: 'TV' }, sort: [] }), /animes_type \(type=\?\)/)
  t.match(await planOf({ filters: { year: 2001 }, sort: [] }), /animes_year \(year=\?\)/)
  t.match(await planOf(sortedBy('score', true)), /USING INDEX animes_score/)
  t.match(await planOf(sortedBy('title', false)), /USING INDEX animes_title/)
})
