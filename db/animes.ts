import { type ExpressionBuilder, type Kysely, sql, type Transaction } from 'kysely'
import {
  type AnimeFilters,
  type AnimeRow,
  animeColumns,
  type StoredValues,
} from '../catalogue/columns.ts'
import type { Database, Dialect } from './dialects/dialect.ts'
import { after, type CursorValues, orderings, type SortKey } from './keyset.ts'
import type { AnimeTable, Schema } from './schema.ts'

export { type AnimeFilters, type AnimeRow, animeColumns } from '../catalogue/columns.ts'

export interface ListQuery {
  filters: AnimeFilters
  sort: SortKey[]
  limit?: number | undefined
  /** The sort values and id of the last row seen. */
  cursor?: CursorValues | undefined
}

export interface AnimeList {
  rows: AnimeRow[]
  /** How many titles the filters match, whatever the page. */
  total: number
  /** Whether rows follow the last one here. */
  more: boolean
}

/**
 * Lists titles in one statement, so that page and total are of one moment. Without `limit` and
 * `cursor` it gives all that match.
 */
export async function listAnimes(
  { reader, dialect }: Database,
  { filters, sort, limit, cursor }: ListQuery,
): Promise<AnimeList> {
  const matching = reader
    .selectFrom('animes as a')
    .where((eb) => eb.and(conditions(eb, dialect, filters)))
  if (limit === undefined && cursor === undefined) {
    const rows = await orderings('a', sort)
      .reduce((query, ordering) => query.orderBy(ordering), matching)
      .select(animeColumns)
      .execute()
    return { rows, total: rows.length, more: false }
  }
  let page = matching.select(animeColumns)
  if (cursor !== undefined) page = page.where((eb) => after(eb, sort, cursor))
  if (limit !== undefined) {
    page = orderings('a', sort).reduce((query, ordering) => query.orderBy(ordering), page)
    page = page.modifyEnd(dialect.limit(limit + 1))
  }
  // The left join keeps the total when the page is empty.
  const joined = reader
    .selectFrom(matching.select(({ fn }) => fn.countAll<number>().as('total')).as('t'))
    .leftJoin(page.as('p'), (join) => join.on(sql<boolean>`1 = 1`))
    .select(['t.total', ...animeColumns.map((column) => `p.${column}` as const)])
  const found = await orderings('p', sort)
    .reduce((query, ordering) => query.orderBy(ordering), joined)
    .execute()
  const rows = found.filter((row) => row.id !== null) as unknown as AnimeRow[]
  const more = limit !== undefined && rows.length > limit
  return { rows: more ? rows.slice(0, limit) : rows, total: Number(found[0]!.total), more }
}

function conditions(
  eb: ExpressionBuilder<Schema & { a: AnimeTable }, 'a'>,
  dialect: Dialect,
  filters: AnimeFilters,
) {
  const { type, genre = [], year, minYear, maxYear, minScore, maxScore, q } = filters
  const all = genre.map((name) =>
    eb(
      'a.id',
      'in',
      eb.selectFrom('anime_genres as g').select('g.anime_id').where('g.genre', '=', name),
    ),
  )
  if (type !== undefined) all.push(eb('a.type', '=', type))
  if (year !== undefined) all.push(eb('a.year', '=', year))
  if (minYear !== undefined) all.push(eb('a.year', '>=', minYear))
  if (maxYear !== undefined) all.push(eb('a.year', '<=', maxYear))
  if (minScore !== undefined) all.push(eb('a.score', '>=', minScore))
  if (maxScore !== undefined) all.push(eb('a.score', '<=', maxScore))
  return q === undefined ? all : [...all, dialect.contains(eb.ref('a.title'), q)]
}

/** The title with this id, or undefined. */
export function findAnime(db: Kysely<Schema>, id: number): Promise<AnimeRow | undefined> {
  return db.selectFrom('animes').select(animeColumns).where('id', '=', id).executeTakeFirst()
}

/** Adds a title and gives its row. */
export async function insertAnime(
  { dialect }: Database,
  trx: Transaction<Schema>,
  values: StoredValues,
): Promise<AnimeRow> {
  const id = await dialect.insertAnime(trx, { ...values, source_id: null })
  await insertGenres(trx, id, values.genres)
  return { id, ...values }
}

/** The title with this id as it now stands, locked until the transaction ends. */
export async function lockAnime(
  { dialect }: Database,
  trx: Transaction<Schema>,
  id: number,
): Promise<AnimeRow | undefined> {
  const { rows } = await dialect.lockAnime(animeColumns, id).execute(trx)
  return rows[0] as AnimeRow | undefined
}

/** Changes a title and gives its new row. */
export async function updateAnime(
  trx: Transaction<Schema>,
  row: AnimeRow,
  changes: Partial<StoredValues>,
): Promise<AnimeRow> {
  const changed = { ...row, ...changes }
  const { id, ...values } = changed
  await trx.updateTable('animes').set(values).where('id', '=', id).execute()
  if (changed.genres !== row.genres) {
    await trx.deleteFrom('anime_genres').where('anime_id', '=', id).execute()
    await insertGenres(trx, id, changed.genres)
  }
  return changed
}

/** Removes a title and its genres. */
export async function deleteAnime(trx: Transaction<Schema>, id: number): Promise<void> {
  await trx.deleteFrom('animes').where('id', '=', id).execute()
}

async function insertGenres(trx: Transaction<Schema>, id: number, json: string): Promise<void> {
  const rows = (JSON.parse(json) as string[]).map((genre) => ({ genre, anime_id: id }))
  if (rows.length > 0) await trx.insertInto('anime_genres').values(rows).execute()
}

/** One row a type, genre, year and whole score, each with its count; one moment, one statement. */
export async function countAnimes({ reader }: Database): Promise<AnimeCounts> {
  const rows = await sql<{ of: string; name: string | null; number: number | null; count: number }>`
    select 'type' as "of", type as name, cast(null as int) as number, count(*) as count
      from animes group by type
    union all select 'genre', genre, cast(null as int), count(*) from anime_genres group by genre
    union all select 'year', null, year, count(*) from animes group by year
    union all select 'score', null, cast(score as int), count(*) from animes group by cast(score as int)
  `.execute(reader)
  const of = (dimension: string) => rows.rows.filter((row) => row.of === dimension)
  const byCount = (a: NamedCount, b: NamedCount) => b.count - a.count || compare(a.name, b.name)
  const named = (dimension: string) =>
    of(dimension)
      .map(({ name, count }) => ({ name: name!, count: Number(count) }))
      .sort(byCount)
  const numbered = (dimension: string) =>
    of(dimension)
      .map(({ number, count }) => ({ value: number, count: Number(count) }))
      .sort((a, b) => (a.value ?? Infinity) - (b.value ?? Infinity))
  const types = named('type')
  return {
    total: types.reduce((sum, { count }) => sum + count, 0),
    types,
    genres: named('genre'),
    years: numbered('year'),
    scores: numbered('score'),
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

export interface NamedCount {
  name: string
  count: number
}

/** Counts by dimension; `value` is null for the titles that have none. */
export interface AnimeCounts {
  total: number
  types: NamedCount[]
  genres: NamedCount[]
  years: { value: number | null; count: number }[]
  scores: { value: number | null; count: number }[]
}
