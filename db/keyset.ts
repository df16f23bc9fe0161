import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import { isNullable, type SortableColumn } from '../catalogue/columns.ts'
import type { AnimeTable, Schema } from './schema.ts'

export { sortable } from '../catalogue/columns.ts'

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

/**
 * ORDER BY terms for the rows of `table`, nulls last in both directions. Both databases hold a null
 * to be the least value, so a descending key needs no more than its index.
 */
export function orderings(table: string, sort: SortKey[]): RawBuilder<unknown>[] {
  return totalOrder(sort).flatMap(({ column, descending }) => {
    const ref = sql.ref(`${table}.${column}`)
    if (descending) return [sql`${ref} desc`]
    if (!isNullable(column)) return [sql`${ref}`]
    return [sql`case when ${ref} is null then 1 else 0 end`, sql`${ref}`]
  })
}

/** Rows that come after `cursor` in the order of `sort`: greater in the first key that differs. */
export function after(
  eb: ExpressionBuilder<Schema & { a: AnimeTable }, 'a'>,
  sort: SortKey[],
  cursor: CursorValues,
) {
  const keys = totalOrder(sort)
  return eb.or(
    keys.flatMap((key, index) => {
      const later = laterThan(eb, key, cursor[index] ?? null)
      if (later === undefined) return []
      const ties = keys.slice(0, index).map(({ column }, tied) => {
        const value = cursor[tied] ?? null
        return value === null ? eb(`a.${column}`, 'is', null) : eb(`a.${column}`, '=', value)
      })
      return [eb.and([...ties, later])]
    }),
  )
}

function laterThan(
  eb: ExpressionBuilder<Schema & { a: AnimeTable }, 'a'>,
  { column, descending }: SortKey,
  value: string | number | null,
) {
  if (value === null) return undefined
  const ref = `a.${column}` as const
  const beyond = eb(ref, descending ? '<' : '>', value)
  return isNullable(column) ? eb.or([beyond, eb(ref, 'is', null)]) : beyond
}
