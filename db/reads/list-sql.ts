import {
  type AnimeFilters,
  animeColumns,
  isNullable,
  type SortableColumn,
} from '../../catalogue/columns.ts'
import { type CursorValues, type SortKey, totalOrder } from '../order.ts'
import type { ReadDialect } from './session.ts'
import { every, join, raw, type Sql, sql, type Value } from './sql.ts'

/** A row that each scan wants to have under some column. */
export interface Equal {
  column: SortableColumn
  value: Value
}

/** Some of the titles that match a list's filters, in an order that an index has. */
export interface Scan {
  equal: readonly Equal[]
  /** Where it begins in the column it is ordered by: after a value, or at the first that is known. */
  from?: { after: Value } | 'known' | undefined
  order: readonly SortKey[]
}

interface Ordered {
  sort: SortKey[]
  cursor?: CursorValues | undefined
  limit?: number | undefined
}

/** Titles are sorted by their normal form. */
const sorting = (column: string) => (column === 'title' ? 'sort_title' : column)
const name = (column: string) => raw(`a.${sorting(column)}`)
const shown = raw(animeColumns.map((column) => `a.${column}`).join(', '))

export const oneTitle = (id: number): Sql =>
  sql`select ${shown} from animes as a where a.id = ${id}`

const hasGenre = (genre: string, id: Sql) =>
  sql`exists (select 1 from anime_genres as x where x.genre = ${genre} and x.anime_id = ${id})`

/** The conditions of the filters that a title's own columns decide. */
function ownConditions(filters: AnimeFilters): Sql[] {
  const { type, year, minYear, maxYear, minScore, maxScore } = filters
  const all: Sql[] = []
  if (type !== undefined) all.push(sql`a.type = ${type}`)
  if (year !== undefined) all.push(sql`a.year = ${year}`)
  if (minYear !== undefined) all.push(sql`a.year >= ${minYear}`)
  if (maxYear !== undefined) all.push(sql`a.year <= ${maxYear}`)
  if (minScore !== undefined) all.push(sql`a.score >= ${minScore}`)
  if (maxScore !== undefined) all.push(sql`a.score <= ${maxScore}`)
  return all
}

export const isFiltered = (filters: AnimeFilters): boolean =>
  Object.values(filters).some((value) => value !== undefined)

/** Whether titles that match may have no value in a column. */
export function mayBeUnknown(filters: AnimeFilters, column: SortableColumn): boolean {
  const { year, minYear, maxYear, minScore, maxScore } = filters
  if (column === 'year' && (year ?? minYear ?? maxYear) !== undefined) return false
  if (column === 'score' && (minScore ?? maxScore) !== undefined) return false
  return isNullable(column)
}

/** The narrowest index there is for the filters alone, whatever the order. */
function filterIndex(filters: AnimeFilters): string | undefined {
  if (filters.year !== undefined) return 'animes_year'
  if (filters.type !== undefined) return 'animes_type'
  if ((filters.minYear ?? filters.maxYear) !== undefined) return 'animes_year'
  if ((filters.minScore ?? filters.maxScore) !== undefined) return 'animes_score'
  return undefined
}

const conditionOn = ({ column, value }: Equal) =>
  value === null ? sql`${name(column)} is null` : sql`${name(column)} = ${value}`

/**
 * Where titles that match are found, for those who ask for no order: by a value that is given, else by the
 * first genre, else by another filter. `id` is their id there.
 */
function found(dialect: ReadDialect, filters: AnimeFilters, equal: readonly Equal[]) {
  const { genre = [], year } = filters
  const own = [...ownConditions(filters), ...equal.map(conditionOn)]
  if (genre.length === 0 || year !== undefined || equal.length > 0) {
    const id = raw('a.id')
    const conditions = [...own, ...genre.map((each) => hasGenre(each, id))]
    const index = equalIndex(filters, equal) ?? filterIndex(filters)
    const hint = index === undefined ? '' : dialect.by(index)
    return { id, from: sql`from animes as a${raw(hint)} where ${every(conditions)}` }
  }
  const { id, conditions } = inGenres(genre)
  if (own.length === 0) return { id, from: sql`from anime_genres as g where ${every(conditions)}` }
  const all = every([...conditions, titleOf, ...own])
  return { id, from: sql`from ${titlesOfGenre} where ${all}` }
}

/** The rows `g` of the first genre whose titles have the others too. They are in the order of the titles' ids. */
function inGenres([first, ...others]: readonly string[]) {
  const id = raw('g.anime_id')
  return { id, conditions: [sql`g.genre = ${first!}`, ...others.map((each) => hasGenre(each, id))] }
}
const titlesOfGenre = raw('anime_genres as g cross join animes as a')
const titleOf = raw('a.id = g.anime_id')

/** Columns by how few titles share a value. */
const narrowest = ['title', 'score', 'year', 'episodes'] as const

/** The index of the narrowest column that must have one value. In it the ids are in order. */
function equalIndex({ type, year }: AnimeFilters, equal: readonly Equal[]): string | undefined {
  const given = new Set<string>(equal.map(({ column }) => column))
  if (year !== undefined) given.add('year')
  const column = narrowest.find((each) => given.has(each))
  if (column === undefined) return undefined
  return column === 'episodes' && type !== undefined ? 'animes_type' : `animes_${sorting(column)}`
}

export function countMatching(dialect: ReadDialect, filters: AnimeFilters): Sql {
  return sql`select count(*) ${found(dialect, filters, []).from}`
}

/** The ids of some titles that match, at most `count`. */
export function someIds(
  dialect: ReadDialect,
  filters: AnimeFilters,
  count: number,
  equal: readonly Equal[] = [],
): Sql {
  const { id, from } = found(dialect, filters, equal)
  const first = raw(dialect.limit(count))
  // SQL Server limits only what is ordered.
  const ordered = dialect.limit(1).startsWith('offset') ? sql`order by ${id} ${first}` : first
  return sql`select ${id} ${from} ${ordered}`
}

/** Those of some ids whose titles match. */
export function matchingOf(
  dialect: ReadDialect,
  filters: AnimeFilters,
  ids: readonly number[],
): Sql {
  const id = raw('a.id')
  const genres = (filters.genre ?? []).map((each) => hasGenre(each, id))
  const all = [dialect.idIn(JSON.stringify(ids)), ...ownConditions(filters), ...genres]
  return sql`select a.id from animes as a${raw(dialect.by(undefined))} where ${every(all)}`
}

/** Those titles, in the order of `sort`. */
export function amongIds(
  dialect: ReadDialect,
  ids: readonly number[],
  { sort, cursor, limit }: Ordered,
): Sql {
  const conditions = [dialect.idIn(JSON.stringify(ids))]
  if (cursor !== undefined) conditions.push(after(sort, cursor))
  const first = limit === undefined ? '' : dialect.limit(limit)
  return sql`select ${shown} from animes as a where ${every(conditions)} order by ${ordering(totalOrder(sort))} ${raw(first)}`
}

/** All that match, sorted by the database. */
export function sorted(
  dialect: ReadDialect,
  filters: AnimeFilters,
  { sort, cursor, limit }: Ordered,
): Sql {
  const { genre = [], year } = filters
  const isDriven = genre.length > 0 && year === undefined
  const from = isDriven ? titlesOfGenre : raw('animes as a')
  const conditions = ownConditions(filters)
  if (isDriven) conditions.push(...inGenres(genre).conditions, titleOf)
  else for (const each of genre) conditions.push(hasGenre(each, raw('a.id')))
  if (cursor !== undefined) conditions.push(after(sort, cursor))
  const first = limit === undefined ? '' : dialect.limit(limit)
  return sql`select ${shown} from ${from} where ${every(conditions)} order by ${ordering(totalOrder(sort))} ${raw(first)}`
}

/** ORDER BY terms; unknown values come last in both directions. Both databases hold null to be least. */
function ordering(keys: readonly SortKey[], firstIsKnown = false): Sql {
  const terms = keys.flatMap(({ column, descending }, index) => {
    const value = name(column)
    if (descending) return [sql`${value} desc`]
    if (!isNullable(column) || (firstIsKnown && index === 0)) return [value]
    return [sql`case when ${value} is null then 1 else 0 end`, value]
  })
  return join(terms, ', ')
}

/** Rows that come after `cursor` in the order of `sort`: greater in the first key that differs. */
function after(sort: SortKey[], cursor: CursorValues): Sql {
  const keys = totalOrder(sort)
  const alternatives = keys.flatMap((key, index) => {
    const later = laterThan(key, cursor[index] ?? null)
    if (later === undefined) return []
    const ties = keys
      .slice(0, index)
      .map(({ column }, tied) => conditionOn({ column, value: cursor[tied] ?? null }))
    return [sql`(${every([...ties, later])})`]
  })
  return sql`(${join(alternatives, ' or ')})`
}

/** Undefined: nothing comes after an unknown value. */
function laterThan({ column, descending }: SortKey, value: Value): Sql | undefined {
  if (value === null) return undefined
  const beyond = sql`${name(column)} ${raw(descending ? '<' : '>')} ${value}`
  return isNullable(column) ? sql`(${beyond} or ${name(column)} is null)` : beyond
}

/** The statement of a scan. */
export function scanning(
  dialect: ReadDialect,
  filters: AnimeFilters,
  scan: Scan,
  limit?: number,
): Sql {
  const { genre = [] } = filters
  const index = scanIndex(filters, scan)
  const first = raw(limit === undefined ? '' : dialect.limit(limit))
  const conditions = [...ownConditions(filters), ...scan.equal.map(conditionOn)]
  if (index === undefined && genre.length > 0) {
    const found = inGenres(genre)
    const all = [...found.conditions, titleOf, ...conditions, ...beginning(scan, found.id)]
    const down = raw(scan.order[0]!.descending ? 'desc' : '')
    return sql`select ${shown} from ${titlesOfGenre}
      where ${every(all)} order by ${found.id} ${down} ${first}`
  }
  const id = raw('a.id')
  const all = [...conditions, ...genre.map((each) => hasGenre(each, id)), ...beginning(scan)]
  return sql`select ${shown} from animes as a${raw(dialect.by(index))}
    where ${every(all)} order by ${ordering(scan.order, true)} ${first}`
}

function beginning({ from, order }: Scan, column = name(order[0]!.column)): Sql[] {
  if (from === undefined) return []
  if (from === 'known') return [sql`${column} is not null`]
  return [sql`${column} ${raw(order[0]!.descending ? '<' : '>')} ${from.after}`]
}

/** The index that has the order of a scan, or undefined for the key. */
function scanIndex(filters: AnimeFilters, { equal, order }: Scan): string | undefined {
  const { column } = order[0]!
  if (column === 'id') return equalIndex(filters, equal)
  // Of one type, most titles have the same number of episodes.
  return column === 'episodes' && filters.type !== undefined
    ? 'animes_type'
    : `animes_${sorting(column)}`
}

/** The value next to `value` in a column, or the first; null: there is none. */
export function nextValue({ column, descending }: SortKey, value?: Value): Sql {
  const [nearest, beyond] = descending ? ['max', '<'] : ['min', '>']
  const rest = value === undefined ? raw('') : sql`where ${name(column)} ${raw(beyond)} ${value}`
  return sql`select ${raw(nearest)}(${name(column)}) from animes as a ${rest}`
}
