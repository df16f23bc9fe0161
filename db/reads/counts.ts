import type { ReadSession, Row } from './session.ts'

export interface NamedCount {
  name: string
  count: number
}

/** Counts by type, genre, year and whole score; `value` is null for the titles that have none. */
export interface AnimeCounts {
  total: number
  types: NamedCount[]
  genres: NamedCount[]
  years: { value: number | null; count: number }[]
  scores: { value: number | null; count: number }[]
}

const types = ({ dialect, rows }: ReadSession) => rows(dialect.countsBy('animes', 'type'))
const years = ({ dialect, rows }: ReadSession) => rows(dialect.countsBy('animes', 'year'))
const genres = ({ dialect, rows }: ReadSession) => rows(dialect.countsBy('anime_genres', 'genre'))
// Each score once, along its index: whole scores are no order that an index has.
const scores = ({ dialect, rows }: ReadSession) => rows(dialect.countsBy('animes', 'score'))

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The sum of the counts of each key. */
function summed<Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, number> {
  const sums = new Map<Key, number>()
  for (const row of rows) {
    const key = keyOf(row)
    sums.set(key, (sums.get(key) ?? 0) + Number(row.at(-1)))
  }
  return sums
}

const named = (counts: Map<string, number>): NamedCount[] =>
  Array.from(counts, ([name, count]) => ({ name, count })).sort(
    (a, b) => b.count - a.count || compare(a.name, b.name),
  )

const numbered = (counts: Map<number | null, number>) =>
  Array.from(counts, ([value, count]) => ({ value, count })).sort(
    (a, b) => (a.value ?? Infinity) - (b.value ?? Infinity),
  )

const first = ([name]: Row) => String(name)
const whole = ([value]: Row) => (value === null ? null : Math.trunc(Number(value)))

/** The types, or genres, that there are. */
export async function countBy(session: ReadSession, column: 'types' | 'genres') {
  const rows = await (column === 'types' ? types : genres)(session)
  return { data: named(summed(rows, first)) }
}

/** All counts, of the one moment of the session. */
export async function countAnimes(session: ReadSession): Promise<AnimeCounts> {
  const byType = await types(session)
  const byYear = await years(session)
  const byScore = await scores(session)
  const byGenre = await genres(session)
  return {
    total: byType.reduce((sum, row) => sum + Number(row[1]), 0),
    types: named(summed(byType, first)),
    genres: named(summed(byGenre, first)),
    years: numbered(summed(byYear, whole)),
    scores: numbered(summed(byScore, whole)),
  }
}
