import {
  type AnimeColumn,
  type AnimeFilters,
  type AnimeRow,
  animeColumns,
} from '../../catalogue/columns.ts'
import type { ListFormatName } from '../../catalogue/formats.ts'
import { type CursorValues, type SortKey, totalOrder } from '../order.ts'
import {
  amongIds,
  countMatching,
  type Equal,
  isFiltered,
  mayBeUnknown,
  nextValue,
  type Scan,
  scanning,
  someIds,
} from './list-sql.ts'
import type { ReadSession, Row } from './session.ts'
import { type Sql, sql, type Value } from './sql.ts'

export interface ListQuery {
  filters: AnimeFilters
  sort: SortKey[]
  limit?: number | undefined
  /** The sort values and id of the last row seen. */
  cursor?: CursorValues | undefined
  /** A search: the best match first, in the place of `sort`; its cursor is the rank and the id. */
  bestFirst?: boolean
}

/** What all pages of a filter share: how many titles match and, where they are few, which. */
export interface Matching {
  total: number
  ids?: number[]
}

/** A list, or a page of it. */
export interface ListRead {
  what: 'list'
  query: ListQuery
  columns: readonly AnimeColumn[]
  /** What matches the filters, as an earlier page has counted it. */
  matching?: Matching | undefined
  /** The API's own JSON where it is not given. */
  format?: ListFormatName
}

/** The function that makes an object of the values under these names, compiled: it runs for every row. */
export const rowMaker = <R>(names: readonly string[]): ((values: Row) => R) =>
  new Function(
    'values',
    `return { ${names.map((name, at) => `${name}: values[${at}]`).join(', ')} }`,
  ) as (values: Row) => R

export const rowOf = rowMaker<AnimeRow>(animeColumns)

const largestId = sql`select max(id) from animes`

async function numberOf(session: ReadSession, statement: Sql): Promise<Value> {
  const [row] = await session.rows(statement)
  return row![0]!
}

/** Counts what matches the filters. */
export async function findMatching(session: ReadSession, filters: AnimeFilters): Promise<Matching> {
  const { dialect } = session
  if (isFiltered(filters)) {
    const ids = await idsOf(session, filters, await fewOf(session))
    if (ids !== undefined) return { total: ids.length, ids }
  }
  return { total: Number(await numberOf(session, countMatching(dialect, filters))) }
}

/**
 * For a page: how many rows are as well sorted as found along an index: where n of N titles match, a page of 20 is met
 * after 20 N/n rows, and n are sorted at about the same cost a row.
 */
export async function fewOf(session: ReadSession): Promise<number> {
  const largest = Number(await numberOf(session, largestId))
  return Math.ceil(Math.min(session.bounds.few, Math.sqrt(20 * largest)))
}

/** The ids of what matches, or undefined when they are more than a few. */
export async function idsOf(
  session: ReadSession,
  filters: AnimeFilters,
  few: number,
  equal: readonly Equal[] = [],
) {
  const rows = await session.rows(someIds(session.dialect, filters, few + 1, equal))
  return rows.length > few ? undefined : rows.map(([id]) => Number(id))
}

/** A page of what matches, `limit` rows at most. */
export async function readPage(
  session: ReadSession,
  { filters, sort, cursor, limit = 0 }: ListQuery,
  { total, ids }: Matching,
): Promise<AnimeRow[]> {
  if (total === 0) return []
  const rows =
    ids === undefined
      ? await take(session, filters, { keys: totalOrder(sort), cursor, limit, equal: [] })
      : await session.rows(amongIds(session.dialect, ids, { sort, cursor, limit }))
  return rows.map(rowOf)
}

interface Take {
  keys: readonly SortKey[]
  cursor: CursorValues | undefined
  limit: number
  /** Values that the sort keys before have in all of these rows. */
  equal: readonly Equal[]
}

/** The rows after `cursor` in an order, found along indexes: first those with the cursor's own value. */
async function take(
  session: ReadSession,
  filters: AnimeFilters,
  { keys, cursor, limit, equal }: Take,
): Promise<Row[]> {
  const { dialect } = session
  const [first, ...rest] = keys as [SortKey, ...SortKey[]]
  const value = cursor?.[0]
  if (rest.length === 0) {
    const scan = { equal, order: keys, from: value === undefined ? undefined : { after: value } }
    return session.rows(scanning(dialect, filters, scan, limit))
  }
  if (equal.length > 0) {
    // Few of these, and an index in another order would be followed for long.
    const ids = await idsOf(session, filters, await fewOf(session), equal)
    if (ids !== undefined) {
      return session.rows(amongIds(dialect, ids, { sort: [...keys], cursor, limit }))
    }
  }
  const rows: Row[] = []
  const withValue = async (given: Value, cursor?: CursorValues) => {
    const own = [...equal, { column: first.column, value: given }]
    const missing = limit - rows.length
    if (missing === 0) return
    rows.push(...(await take(session, filters, { keys: rest, cursor, limit: missing, equal: own })))
  }
  if (value !== undefined) await withValue(value, cursor!.slice(1))
  if (value === null || rows.length === limit) return rows
  const unknownLast = mayBeUnknown(filters, first.column)
  if (await isIndexed(session, keys)) {
    const from = value !== undefined ? { after: value } : unknownLast ? 'known' : undefined
    const scan: Scan = { equal, from, order: keys }
    rows.push(...(await session.rows(scanning(dialect, filters, scan, limit - rows.length))))
  } else {
    let next = await numberOf(session, nextValue(first, value))
    for (; next !== null && rows.length < limit; ) {
      await withValue(next)
      next = await numberOf(session, nextValue(first, next))
    }
  }
  if (unknownLast) await withValue(null)
  return rows
}

/** Whether an index has this order, or leaves little to sort. */
async function isIndexed(session: ReadSession, keys: readonly SortKey[]): Promise<boolean> {
  const [{ column }] = keys as [SortKey]
  if (keys.length === 2 || column === 'title') return column !== 'type'
  return isAtMost(session, session.bounds.small)
}

/** Whether there are no more titles than that. */
export const isAtMost = async (session: ReadSession, count: number): Promise<boolean> =>
  Number(await numberOf(session, largestId)) <= count
