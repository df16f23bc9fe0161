import type { AnimeRow, SortableColumn } from '../catalogue/columns.ts'
import { sortTitle } from '../catalogue/words.ts'

export interface SortKey {
  column: SortableColumn
  descending: boolean
}

/** The values of a row under each sort key, then its id. */
export type CursorValues = (string | number | null)[]

/** The keys as given and, to make the order total, the id in the direction of the last of them. */
export function totalOrder(sort: SortKey[]): SortKey[] {
  const ids = sort.findIndex(({ column }) => column === 'id')
  if (ids !== -1) return sort.slice(0, ids + 1)
  return [...sort, { column: 'id', descending: sort.at(-1)?.descending ?? false }]
}

/** The name of an order, as `sort` takes it. */
export const nameOf = (keys: SortKey[]) =>
  keys.map(({ column, descending }) => `${descending ? '-' : ''}${column}`).join()

/** The cursor after a row: its values under the sort keys and the id, under the sort's own name. */
export function encodeCursor(row: AnimeRow, sort: SortKey[]): string {
  const keys = totalOrder(sort)
  const values = keys.map(({ column }) => (column === 'title' ? sortTitle(row.title) : row[column]))
  return encode([nameOf(keys), ...values])
}

/** The order of a search: the best match first. */
export const bestFirst = 'best'

/** The cursor after a title in that order: how well it matches, and its id. */
export const encodeBestCursor = (rank: number, id: number): string => encode([bestFirst, rank, id])

const encode = (parts: (string | number | null)[]) =>
  Buffer.from(JSON.stringify(parts)).toString('base64url')
