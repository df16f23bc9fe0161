import type { FastifyInstance } from 'fastify'
import { animeColumns } from '../../catalogue/columns.ts'
import { insertAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import type { Database } from '../../db/dialects/dialect.ts'
import { sqlitePath } from '../../db/dialects/sqlite-url.ts'

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

export const databasePath = (app: FastifyInstance) => sqlitePath(app.config.DATABASE_URL)!

/** Works past the service, on connections of its own. */
async function past<T>(app: FastifyInstance, work: (database: Database) => Promise<T>) {
  const database = await openDatabase(app.config.DATABASE_URL)
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** Every title, read past the service. */
export function allTitles(app: FastifyInstance): Promise<Title[]> {
  return past(app, async (database) => {
    const query = database.reader.selectFrom('animes').select(animeColumns)
    const rows = await query.orderBy('id').execute()
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
  return filters.q === undefined || fitOf(title.title, String(filters.q)) !== undefined
}

const accents = /(?![\u3099\u309a])\p{M}/gu
const isChinese = /^\p{Script=Han}+$/u

/** The words of a text: what stands between blanks and punctuation, whatever its case and accents. */
const plainWords = (text: string): string[] =>
  text
    .normalize('NFKD')
    .replaceAll(accents, '')
    .toLowerCase()
    .normalize('NFC')
    .replaceAll('&', ' and ')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')

/** How well a title fits a search: 0 all of it, 1 it begins so, 2 in whole words, 3 as they begin. */
function fitOf(title: string, q: string): number | undefined {
  const [words, wanted] = [plainWords(title), plainWords(q)]
  // What only punctuation parts is a word as well.
  const chunks = title.replaceAll('&', ' and ').split(/\s+/).map(plainWords)
  const joined = chunks.flatMap((parts) => parts.map((_, at) => parts.slice(at).join('')))
  const all = [...words, ...joined]
  const begins = (word: string) =>
    all.some((each) => each.startsWith(word)) || (isChinese.test(word) && title.includes(word))
  if (wanted.length === 0 || !wanted.every(begins)) return undefined
  const [whole, query] = [words.join(' '), wanted.join(' ')]
  if (whole === query) return 0
  if (whole.startsWith(query)) return 1
  return wanted.every((word) => all.includes(word) || isChinese.test(word)) ? 2 : 3
}

/** The order of a search without `sort`: the best first, then by score, then by id. */
export const bestFirst = (titles: Title[], q: string): Title[] =>
  titles.toSorted(
    (a, b) =>
      fitOf(a.title, q)! - fitOf(b.title, q)! || (b.score ?? -1) - (a.score ?? -1) || a.id - b.id,
  )

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
      const order = compare(textOf(x, column), textOf(y, column))
      if (order !== 0) return descending ? -order : order
    }
    return 0
  })
}

/** Titles are in the order of their words. */
const textOf = (value: string | number, column: SortColumn) =>
  column === 'title' ? plainWords(String(value)).join(' ') : value

/** Numbers by value; text by code point. */
function compare(x: string | number, y: string | number): number {
  if (typeof x === 'number') return x - (y as number)
  return Buffer.compare(Buffer.from(x), Buffer.from(y as string))
}

/** Whole numbers from 0 to below a bound, the same for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}
