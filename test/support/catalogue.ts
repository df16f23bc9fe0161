import { DatabaseSync } from 'node:sqlite'
import type { FastifyInstance } from 'fastify'

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

/** Every title, read past the service. */
export function allTitles(app: FastifyInstance): Title[] {
  const db = connectionPast(app)
  const rows = db.prepare('select * from animes order by id').all()
  db.close()
  return rows.map(({ source_id: _, genres, ...row }) => ({
    ...(row as unknown as Omit<Title, 'genres'>),
    genres: JSON.parse(genres as string) as string[],
  }))
}

/** Adds titles past the service. */
export function addTitles(app: FastifyInstance, titles: Omit<Title, 'id'>[]): void {
  const db = connectionPast(app)
  const addTitle = db.prepare(
    'insert into animes (title, type, year, score, episodes, genres) values (?, ?, ?, ?, ?, ?)',
  )
  const addGenre = db.prepare('insert into anime_genres (genre, anime_id) values (?, ?)')
  db.exec('begin immediate')
  for (const { title, type, year, score, episodes, genres } of titles) {
    const { lastInsertRowid } = addTitle.run(
      title,
      type,
      year,
      score,
      episodes,
      JSON.stringify(genres),
    )
    for (const genre of genres) addGenre.run(genre, lastInsertRowid)
  }
  db.exec('commit')
  db.close()
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
