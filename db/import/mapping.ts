import { ImportError } from './errors.ts'

/** The 12 columns of the catalogue's CSV, in the order in which the generator writes them. */
export const csvHeader = [
  'animeID',
  'title',
  'alternative_title',
  'type',
  'year',
  'score',
  'episodes',
  'mal_url',
  'sequel',
  'image_url',
  'genres',
  'genres_detailed',
] as const

/** Staging column -> CSV column: the six that are kept, and the key. Data Factory maps the same. */
export const csvColumns = {
  source_id: 'animeID',
  title: 'title',
  type: 'type',
  year: 'year',
  score: 'score',
  episodes: 'episodes',
  genres: 'genres',
} as const

export const animeTypes = ['TV', 'MOVIE', 'OVA', 'ONA', 'SPECIAL', 'MUSIC', 'UNKNOWN'] as const
export type AnimeType = (typeof animeTypes)[number]

/** The bounds of a title, for the import and for the API alike. */
export const limits = {
  title: 400,
  genre: 64,
  genres: 32,
  year: [1900, 2100],
  score: [0, 10],
  episodes: [1, 100_000],
} as const

/** A cleaned row; `genres` is a JSON array. */
export interface StagedRow {
  source_id: number
  title: string
  type: AnimeType
  year: number | null
  score: number | null
  episodes: number | null
  genres: string
}

/** Why a row cannot be taken: the CSV column at fault, its text, and what was wrong with it. */
export class RowError extends Error {
  readonly column: string
  readonly value: string

  constructor(column: string, value: string, reason: string) {
    super(reason)
    this.column = column
    this.value = value
  }
}

/**
 * Reads a header line and gives the function that cleans the records under it. Columns are found
 * by name, in any order, whatever else stands between them.
 * @throws ImportError when one of `csvColumns` is missing or stands twice
 */
export function rowCleaner(header: readonly string[]): (record: readonly string[]) => StagedRow {
  const names = header.map((name) => name.trim().toLowerCase())
  const at = (column: string) => {
    const index = names.indexOf(column.toLowerCase())
    // A column taken for empty would wipe out what the database knows.
    if (index === -1) {
      throw new ImportError(`the header has no column ${column} (wants a CSV in UTF-8)`)
    }
    if (index !== names.lastIndexOf(column.toLowerCase())) {
      throw new ImportError(`the column ${column} stands twice in the header`)
    }
    return index
  }
  const sourceId = at(csvColumns.source_id)
  const title = at(csvColumns.title)
  const type = at(csvColumns.type)
  const year = at(csvColumns.year)
  const score = at(csvColumns.score)
  const episodes = at(csvColumns.episodes)
  const genres = at(csvColumns.genres)
  return (record) => {
    const row = {
      source_id: cleanSourceId(record[sourceId]!),
      title: cleanTitle(record[title]!),
      type: cleanType(record[type]!),
      year: cleanYear(record[year]!),
      score: cleanScore(record[score]!),
      episodes: cleanEpisodes(record[episodes]!),
      genres: cleanGenres(record[genres]!),
    }
    // Titles not yet aired come with a score of 10 that nobody gave.
    if (row.score === 10 && (row.year === null || row.episodes === null)) row.score = null
    return row
  }
}

/**
 * Cleans each text once: the columns but `animeID` and `title` repeat a few thousand texts, however
 * long the file. Bounded, and a text that is refused is not kept.
 */
function remember<T>(clean: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    let value = known.get(text)
    if (value === undefined) {
      value = clean(text)
      if (known.size >= 20_000) known.clear()
      if (text.length <= 500) known.set(text, value)
    }
    return value
  }
}

const unknown = /^(\?|unknown|n\/a|none|null|nan)?$/i
const wholeNumber = /^-?\d{1,10}(\.0+)?$/

function refuseBadText(column: string, text: string) {
  // The API takes none either: a server on PostgreSQL cannot keep it.
  if (text.includes('\0')) throw new RowError(column, text, 'has the character U+0000')
  // What a decoder writes for bytes that are not UTF-8.
  if (text.includes('\uFFFD')) throw new RowError(column, text, 'not UTF-8 text')
}

function cleanSourceId(text: string): number {
  const value = text.trim()
  const number = Number(value)
  if (!wholeNumber.test(value) || number < 0 || number > 2_147_483_647) {
    throw new RowError('animeID', text, 'not a whole number from 0 to 2147483647')
  }
  return number
}

function cleanTitle(text: string): string {
  const value = text.trim()
  if (value === '' || value === '?') throw new RowError('title', text, 'missing')
  if (value.length > limits.title) {
    throw new RowError('title', text, `longer than ${limits.title} characters`)
  }
  refuseBadText('title', text)
  return value
}

const typeByName = new Map<string, AnimeType>(animeTypes.map((type) => [type, type]))

const cleanType = remember((text): AnimeType => {
  const value = text.trim().toUpperCase()
  if (unknown.test(value)) return 'UNKNOWN'
  const type = typeByName.get(value)
  if (type === undefined) throw new RowError('type', text, `not one of ${animeTypes.join(', ')}`)
  return type
})

function cleanInteger(
  column: string,
  text: string,
  [low, high]: readonly [number, number],
): number | null {
  const value = text.trim()
  if (unknown.test(value)) return null
  const number = Number(value)
  if (!wholeNumber.test(value) || number < low || number > high) {
    throw new RowError(column, text, `not a whole number from ${low} to ${high}`)
  }
  return number
}

const cleanYear = remember((text) => cleanInteger('year', text, limits.year))

/** 0 episodes means that nobody has counted them. */
const cleanEpisodes = remember((text) =>
  /^\s*0+(\.0+)?\s*$/.test(text) ? null : cleanInteger('episodes', text, limits.episodes),
)

const cleanScore = remember((text): number | null => {
  const value = text.trim()
  if (unknown.test(value)) return null
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  const [low, high] = limits.score
  if (!(number >= low && number <= high)) {
    throw new RowError('score', text, `not a number from ${low} to ${high}`)
  }
  return Math.round(number * 100) / 100
})

const cleanGenres = remember((text) => JSON.stringify(parseGenres(text)))

// A quoted item with its backslash escapes, or a bare one. No two parts can take the same white
// space, so that a megabyte of it costs no more than any other text.
const item = /\s*(?:'((?:[^'\\]|\\.)*)'\s*|"((?:[^"\\]|\\.)*)"\s*|([^\s,'"][^,'"]*))(?:,|$)/y

/**
 * Reads a Python list literal such as `['Action', "Coup d'etat"]`; `[]`, `?` and nothing are empty,
 * and one bare word is a list of itself. Repeats go.
 * @throws RowError for anything else
 */
export function parseGenres(text: string): string[] {
  refuseBadText('genres', text)
  const trimmed = text.trim()
  const inner = /^\[.*\]$/s.test(trimmed) ? trimmed.slice(1, -1).trim() : trimmed
  if (unknown.test(inner)) return []
  const genres = new Set<string>()
  item.lastIndex = 0
  while (item.lastIndex < inner.length) {
    const match = item.exec(inner)
    if (match === null) throw new RowError('genres', text, 'not a list of quoted names')
    const genre = (match[1] ?? match[2] ?? match[3] ?? '').replaceAll(/\\(.)/gs, '$1').trim()
    if (genre === '' || genre.length > limits.genre) {
      const reason = `a name is empty or longer than ${limits.genre} characters`
      throw new RowError('genres', text, reason)
    }
    genres.add(genre)
  }
  if (genres.size > limits.genres) {
    throw new RowError('genres', text, `more than ${limits.genres} names`)
  }
  return [...genres]
}
