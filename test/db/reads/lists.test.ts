import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { type AnimeFilters, sortable } from '../../../catalogue/columns.ts'
import { openDatabase } from '../../../db/database.ts'
import { generateCsv } from '../../../db/import/generate.ts'
import { importCatalogue } from '../../../db/import/import.ts'
import { openStage } from '../../../db/import/stage.ts'
import { migrate } from '../../../db/migrate.ts'
import type { ListQuery } from '../../../db/reads/list.ts'
import type { ReadBounds } from '../../../db/reads/session.ts'
import { newDatabase, onMssql } from '../../support/app.ts'
import { readList, sortBy } from '../../support/reads.ts'
import { sentStatements } from '../../support/statements.ts'

/** A catalogue whose lists are read as those of millions are. */
async function open(t: Test, titles: number, bounds: Partial<ReadBounds> = { few: 5, small: 0 }) {
  const url = await newDatabase(t)
  const database = await openDatabase(url, bounds)
  t.teardown(() => database.close())
  await migrate(database)
  await importCatalogue(generateCsv(titles), openStage(url))
  return { database, path: url.slice('sqlite:'.length) }
}

const filters: AnimeFilters[] = [
  {},
  { type: 'TV' },
  { type: 'MOVIE' },
  { genre: ['Drama'] },
  { genre: ['Drama', 'Action'] },
  { year: 2001 },
  { minYear: 1995, maxYear: 2010 },
  { minScore: 5, maxScore: 9 },
  { type: 'TV', genre: ['Action'] },
  { type: 'OVA', minScore: 6 },
  { genre: ['Comedy'], minYear: 2000, minScore: 4 },
  { year: 2015, type: 'TV' },
]
const sorts = [
  ...['', ...sortable, ...sortable.map((column) => `-${column}`)],
  ...['-score,title', 'year,-score', 'type,title', 'episodes,title', 'type,-score,title'],
  ...['-episodes,-year,score', 'title,-year', 'score,-id'],
]

t.test('a page of any filter and sort is that part of the whole list', async (t) => {
  const { database } = await open(t, 600)
  for (const each of filters) {
    const { matching } = await readList(database, { filters: each, sort: [], limit: 1 })
    for (const text of sorts) {
      const sort = sortBy(text)
      const whole = await readList(database, { filters: each, sort })
      const seen: number[] = []
      let cursor: ListQuery['cursor']
      do {
        const query = { filters: each, sort, limit: 61, cursor }
        const page = await readList(database, query, matching && { matching })
        seen.push(...page.data.map(({ id }) => id))
        t.equal(page.total, whole.total)
        cursor = page.cursor
      } while (cursor !== undefined)
      const ids = whole.data.map(({ id }) => id)
      t.strictSame(seen, ids, `${JSON.stringify(each)} by ${text || 'id'}`)
    }
  }
})

/** As SQLite plans it. */
const skip = onMssql && 'SQLite only'

t.test('no list reads or sorts the whole catalogue', { skip }, async (t) => {
  const { database, path } = await open(t, 2000)
  const past = new DatabaseSync(path)
  past.function('fold', (text) => String(text).toLowerCase())
  t.teardown(() => past.close())

  /** What is wrong with the plans of the statements that a query takes. */
  async function faultsOf(query: ListQuery): Promise<string[]> {
    sentStatements()
    const page = await readList(database, query)
    const further = { ...query, cursor: page.cursor }
    if (page.cursor !== undefined) await readList(database, further, { matching: { total: 2000 } })
    return sentStatements().flatMap((sql) => {
      const steps = past.prepare(`explain query plan ${sql}`).all()
      const plan = steps.map(({ detail }) => String(detail)).join('; ')
      // The ids of a few, and a count, which goes over the narrowest index there is.
      if (/json_each/.test(sql) || /^select (count|max|min)/.test(sql)) return []
      const sorts = /USE TEMP B-TREE FOR ORDER BY/.test(plan)
      // Along an index until there are enough rows is no scan of all.
      const ordered = /limit \d+$/.test(sql.trim())
      const scans = /SCAN a(?! USING)/.test(plan) && !/order by a\.id/.test(sql)
      return sorts || !ordered || scans ? [`${sql}: ${plan}`] : []
    })
  }
  for (const each of filters) {
    for (const text of sorts) {
      const query = { filters: each, sort: sortBy(text), limit: 20 }
      t.strictSame(await faultsOf(query), [], `${JSON.stringify(each)} by ${text || 'id'}`)
    }
  }
})

t.test('an order by one column follows its index', { skip }, async (t) => {
  const { database, path } = await open(t, 2000)
  const past = new DatabaseSync(path)
  t.teardown(() => past.close())
  const indexOf = async (filters: AnimeFilters, sort: string) => {
    sentStatements()
    const query = { filters, sort: sortBy(sort), limit: 20 }
    await readList(database, query, { matching: { total: 2000 } })
    const plans = sentStatements().map((sql) => past.prepare(`explain query plan ${sql}`).all())
    const detail = String(plans[0]?.[0]?.detail)
    return /USING (?:COVERING )?INDEX (\w+)/.exec(detail)?.[1] ?? detail
  }
  for (const column of ['title', 'year', 'score', 'episodes']) {
    const index = column === 'title' ? 'animes_sort_title' : `animes_${column}`
    t.equal(await indexOf({}, column), index)
    t.equal(await indexOf({}, `-${column}`), index)
    t.equal(await indexOf({ genre: ['Drama'], minScore: 3 }, column), index)
  }
  t.equal(await indexOf({ type: 'MOVIE' }, '-episodes'), 'animes_type')
  t.equal(await indexOf({ year: 2001 }, ''), 'animes_year')
  t.match(await indexOf({ genre: ['Drama'] }, ''), /autoindex_anime_genres/)
  t.match(await indexOf({}, '-id'), /SCAN a$/)
})

t.test('what matches is counted once for all pages, sorts and fields', { skip }, async (t) => {
  const { database } = await open(t, 2000)
  const counts = () => sentStatements().filter((sql) => /count\(\*\)/.test(sql)).length
  counts()
  const filters = { minScore: 2 }
  const first = await readList(database, { filters, sort: [], limit: 5 })
  t.equal(counts(), 1)
  const { matching, cursor } = first
  t.equal(matching?.total, first.total)
  const further = { filters, sort: [], limit: 5, cursor }
  t.equal((await readList(database, further, { matching: matching! })).total, first.total)
  await readList(database, { filters, sort: sortBy('-score'), limit: 9 }, { matching: matching! })
  t.equal(counts(), 0)
})
