import t from 'tap'
import { openDatabase } from '../../db/database.ts'
import { type ImportOptions, importCatalogue, type Reject } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { migrate } from '../../db/migrate.ts'
import { newDatabase, type Teardown } from '../support/app.ts'

/** An empty catalogue on the database of the tests. */
async function catalogue(t: Teardown) {
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  await migrate(database)
  const { reader, writer } = database
  const rejects: Reject[] = []
  return {
    rejects,
    load: (rows: string[], options: ImportOptions = {}) =>
      importCatalogue([`${rows.join('\n')}\n`], openStage(url), {
        onReject: (reject) => rejects.push(reject),
        ...options,
      }),
    add: async (title: string, type = 'TV', year: number | null = 2001) => {
      const values = { title, type, year, score: 8.5, episodes: 12, genres: '["Drama"]' }
      await writer
        .insertInto('animes')
        .values({ ...values, source_id: null })
        .execute()
    },
    titles: async () => {
      const columns = ['source_id', 'title', 'type', 'year', 'score', 'episodes', 'genres'] as const
      const rows = await reader.selectFrom('animes').select(columns).orderBy('id').execute()
      return rows.map((row) => Object.values(row).join())
    },
    ids: async () => {
      const rows = await reader.selectFrom('animes').select(['id', 'title']).orderBy('id').execute()
      return rows.map(({ id, title }) => `${id} ${title}`)
    },
    genres: async () => {
      const rows = await reader
        .selectFrom('anime_genres as g')
        .innerJoin('animes as a', 'a.id', 'g.anime_id')
        .select(['a.title', 'g.genre'])
        .execute()
      return rows.map(({ title, genre }) => `${title} ${genre}`).sort()
    },
    outbox: async () => (await reader.selectFrom('outbox').select('tags').execute()).length,
  }
}

t.test(
  'a column that the file does not have is not touched, and unknown on a new title',
  async (t) => {
    const { load, titles, genres } = await catalogue(t)
    await load(['animeID,title,type,year,score,episodes,genres', '1,A,TV,2001,8,12,Action|Drama'])
    t.match(await load(['animeID,title,score', '1,A,9', '2,B,7']), { added: 1, changed: 1 })
    t.same(await titles(), ['1,A,TV,2001,9,12,["Action","Drama"]', '2,B,UNKNOWN,,7,,[]'])
    t.match(await load(['animeID,title,score', '1,A,9']), { changed: 0, unchanged: 1 })
    t.match(await load(['animeID,title,genres', '1,A,Comedy']), { changed: 1 })
    t.same(await genres(), ['A Comedy'])
    t.match(await load(['animeID,title,score', '1,A,']), { changed: 1 })
    t.same((await titles())[0], '1,A,TV,2001,,12,["Comedy"]', 'a column that is there and empty is')
  },
)

t.test('without an id, title, type and year together tell a title', async (t) => {
  const { load, titles, ids, rejects, outbox } = await catalogue(t)
  const rows = [
    'title,type,year,genres',
    'A,TV,2001,Drama',
    'A,MOVIE,2001,',
    'A,TV,,',
    'a,TV,2001,',
  ]
  t.match(await load(rows), { added: 4, rejected: 0 })
  const before = await ids()
  t.match(await load(rows), { added: 0, changed: 0, unchanged: 4, removed: 0 })
  t.match(await load(rows, { replace: true }), { unchanged: 4, removed: 0 })
  t.equal(await outbox(), 1, 'nothing was committed')
  const changes = ['title,type,year,score', 'A,TV,2001,9', 'A,TV,2001,8', 'B,TV,2001,7']
  t.match(await load(changes), { added: 1, changed: 1, rejected: 1 })
  t.match(rejects, [
    { line: 3, column: 'title', reason: 'an earlier row has this title, type, year' },
  ])
  t.same((await ids()).slice(0, 4), before)
  t.equal((await titles())[0], ',A,TV,2001,9,,["Drama"]')
  t.match(await load(changes, { replace: true, batch: 1 }), { unchanged: 2, removed: 3 })
  t.same(await ids(), [before[0], (await ids())[1]])
})

t.test('a row that could be several titles is rejected', async (t) => {
  const { load, titles, rejects } = await catalogue(t)
  await load(['title,year', 'A,2001', 'A,2002', 'B,2001'])
  const before = await titles()
  t.match(await load(['title,score', 'A,9', 'B,7'], { dryRun: true }), { changed: 1, rejected: 1 })
  t.match(rejects, [{ line: 2, reason: 'several titles have this title: an id must tell which' }])
  t.same(await titles(), before)
  await t.rejects(load(['title,score', 'A,9']), {
    message: /^all 1 rows were rejected; line 2: title: several titles have/,
  })
})

t.test(
  'a key is a column of the file with ids, or the title with type and year or without',
  async (t) => {
    const { load, titles } = await catalogue(t)
    t.match(await load(['Code,title,year', '7,A,2001'], { key: ['code'] }), { added: 1 })
    t.match(await load(['Code,title,year', '7,B,2002'], { key: ['Code'] }), { changed: 1 })
    t.match(await load(['id,title,year', '9,B,2003'], { key: ['title'] }), { changed: 1 })
    t.same(await titles(), ['7,B,UNKNOWN,2003,,,[]'])
  },
)

t.test('in a file with ids, a row without one is a title that has none', async (t) => {
  const { load, titles, ids } = await catalogue(t)
  const rows = ['animeID,title,type,year', '1,A,TV,2001', ',A,TV,2001', ',B,TV,2001']
  t.match(await load(rows), { added: 3, rejected: 0 })
  const before = await ids()
  t.match(await load(rows), { unchanged: 3 })
  t.match(await load(rows, { replace: true, batch: 1 }), { unchanged: 3, removed: 0 })
  t.same(await ids(), before)
  t.match(await load(['animeID,title,type,year,score', ',B,TV,2001,8']), { changed: 1 })
  t.same(await titles(), ['1,A,TV,2001,,,[]', ',A,TV,2001,,,[]', ',B,TV,2001,8,,[]'])
})

t.test('titles that nothing else tells apart are told by the id of their export', async (t) => {
  const { add, load, titles, ids, outbox } = await catalogue(t)
  for (const title of ['A', 'A', 'B']) await add(title)
  const [first, second, third] = (await ids()).map((text) => Number(text.split(' ')[0]))
  const header = 'anime_api_id,title,type,year,score,episodes,genres'
  const row = (id: number, title: string, score = 8.5) =>
    `${id},${title},TV,2001,${score},12,"[""Drama""]"`
  const rows = [header, row(first!, 'A'), row(second!, 'A'), row(third!, 'B')]
  t.match(await load(rows), { unchanged: 3, rejected: 0 })
  t.equal(await outbox(), 0)
  t.match(await load([header, row(second!, 'A', 9)]), { changed: 1 })
  t.same(
    (await titles()).map((text) => text.split(',')[4]),
    ['8.5', '9', '8.5'],
  )
  const elsewhere = await catalogue(t)
  t.match(await elsewhere.load(rows), { added: 3 })
  t.match(await elsewhere.load(rows.toReversed().toSorted((a) => (a === header ? -1 : 1))), {
    added: 0,
    rejected: 0,
  })
})
