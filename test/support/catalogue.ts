import { DatabaseSync } from 'node:sqlite'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { animeColumns, insertAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import type { Database } from '../../db/dialects/dialect.ts'

/** A title as the API shows it. */
export interface Title {
  id: number
  title: string
  type: string
  year: number | null
  score: number | null
  episodes: number | null
  genres: string[]
}

export type SortColumn = 'id' | 'title' | 'type' | 'year' | 'score' | 'episodes'

export const databasePath = (app: FastifyInstance) =>
  app.config.DATABASE_URL.slice('sqlite:'.length)

/** A connection past the service, as another process has one; the caller closes it. */
export const connectionPast = (app: FastifyInstance) =>
  new DatabaseSync(databasePath(app), { timeout: 5000 })

/** Works past the service, on connections of its own. */
async function past<T>(app: FastifyInstance, work: (database: Database) => Promise<T>) {
  const database = await openDatabase(app.config.DATABASE_URL)
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** Where a title stands in the collation of SQL Server, which is its own affair. */
const ranks = new Map<string, number>()

async function rank({ reader, dialect }: Database) {
  if (dialect.name !== 'mssql') return
  const ranked = await sql<{ title: string; rank: number }>`
    select title, cast(dense_rank() over (order by title) as int) as rank from animes
  `.execute(reader)
  for (const { title, rank } of ranked.rows) ranks.set(title, rank)
}

/** Every title, read past the service. */
export function allTitles(app: FastifyInstance): Promise<Title[]> {
  return past(app, async (database) => {
    const query = database.reader.selectFrom('animes').select(animeColumns)
    const rows = await query.orderBy('id').execute()
    await rank(database)
    return rows.map(({ genres, ...row }) => ({
      ...row,
      genres: JSON.parse(genres) as string[],
    }))
  })
}

/** Adds titles past the service. */
export function addTitles(app: FastifyInstance, titles: Omit<Title, 'id'>[]): Promise<void> {
  return past(app, async (database) => {
    await database.writer.transaction().execute(async (trx) => {
      for (const { genres, ...title } of titles) {
        await insertAnime(database, trx, { ...title, genres: JSON.stringify(genres) })
      }
    })
    await rank(database)
  })
}
/** What the filters of a list mean, in the plainest code there is. */
export function matches(title: Title, filters: Record<string, string | string[]>): boolean {
  const number = (name: string) => Number(filters[name])
  const genres = [filters.genre ?? []].flat()
  if (filters.type !== undefined && title.type !== filters.type) return false
  if (!genres.every((genre) => title.genres.includes(genre))) return false
  if (filters.year !== undefined && title.year !== number('year')) return false
  if (filters.minYear !== undefined && !(title.year !== null && title.year >= number('minYear')))
    return false
  if (filters.maxYear !== undefined && !(title.year !== null && title.year <= number('maxYear')))
    return false
  if (
    filters.minScore !== undefined &&
    !(title.score !== null && title.score >= number('minScore'))
  )
    return false
  if (
    filters.maxScore !== undefined &&
    !(title.score !== null && title.score <= number('maxScore'))
  )
    return false
  if (filters.q !== undefined) {
    return title.title.toLowerCase().includes(String(filters.q).toLowerCase())
  }
  return true
}

/** What `sort` means: unknown values last in both directions, ties by id the way of the last key. */
export function inOrder(titles: Title[], sort = ''): Title[] {
  const keys = sort === '' ? [] : sort.split(',')
  const last = keys.at(-1) ?? ''
  const total = [...keys, last.startsWith('-') ? '-id' : 'id']
  return titles.toSorted((a, b) => {
    for (const key of total) {
      const descending = key.startsWith('-')
      const column = key.replace('-', '') as SortColumn
      const [x, y] = [a[column], b[column]]
      if (x === null && y === null) continue
      if (x === null) return 1
      if (y === null) return -1
      const order = compare(x, y)
      if (order !== 0) return descending ? -order : order
    }
    return 0
  })
}

/** Numbers by value; text by code point, A to Z as a to z (SQLite's nocase). */
function compare(x: string | number, y: string | number): number {
  if (typeof x === 'number') return x - (y as number)
  const [a, b] = [ranks.get(x), ranks.get(y as string)]
  if (a !== undefined && b !== undefined) return a - b
  return Buffer.compare(Buffer.from(asciiFold(x)), Buffer.from(asciiFold(y as string)))
}

const asciiFold = (text: string) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

/** Whole numbers from 0 to below a bound, the same for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}
