import type { AnimeRow, SortableColumn } from '../catalogue/columns.ts'

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
  const values = keys.map(({ column }) => row[column])
  return Buffer.from(JSON.stringify([nameOf(keys), ...values])).toString('base64url')
}
