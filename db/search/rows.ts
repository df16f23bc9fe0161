import { type Kysely, sql as kyselySql } from 'kysely'
import type { Sql, Value } from '../reads/sql.ts'

/** Runs a statement and gives its rows, each an array in the order of the selected columns. */
export type RunSql = (statement: Sql) => Value[][] | Promise<Value[][]>

/** Runs statements on Kysely's connection or in its transaction. Selected columns need names of their own. */
export function runOn<Schema>(db: Kysely<Schema>): RunSql {
  return async ({ texts, values }) => {
    const parts = Object.assign([...texts], { raw: texts })
    const { rows } = await kyselySql<Record<string, Value>>(parts, ...values).execute(db)
    return rows.map((row) => Object.values(row))
  }
}
