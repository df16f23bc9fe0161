import t, { type Test } from 'tap'
import { deleteAnime, findAnime, insertAnime, lockAnime, updateAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { newDatabase, testConfig } from '../support/app.ts'
import { readList } from '../support/reads.ts'

async function open(t: Test, titles = 0) {
  const DATABASE_URL = await newDatabase(t)
  const database = await openDatabase(DATABASE_URL)
  t.teardown(() => database.close())
  await migrate(database)
  const config = testConfig(t, { DATABASE_URL, JWT_SECRET: 'x'.repeat(32) })
  if (titles > 0) await importCatalogue(generateCsv(titles), openStage(config.DATABASE_URL))
  return database
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
    readList(database, { filters: { genre: [genre] }, sort: [] }).then(({ total }) => total)
  t.strictSame([await byGenre('Action'), await byGenre('Drama')], [0, 1])

  await write((trx) => deleteAnime(trx, row))
  t.equal(await findAnime(reader, row.id), undefined)
  t.strictSame(await genresOf(), [])
})

t.test('an id is never given out twice', async (t) => {
  const database = await open(t)
  const add = () =>
    database.writer.transaction().execute((trx) => insertAnime(database, trx, bebop))
  const first = await add()
  await database.writer.transaction().execute((trx) => deleteAnime(trx, first))
  t.ok((await add()).id > first.id)
})
