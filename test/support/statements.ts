import { StatementSync } from 'node:sqlite'
import type { CompiledQuery, QueryResult } from 'kysely'
import { onMssql } from './app.ts'

let statements: string[] = []

for (const method of ['all', 'get', 'run', 'iterate'] as const) {
  const original = StatementSync.prototype[method]
  Object.assign(StatementSync.prototype, {
    [method](this: StatementSync, ...values: unknown[]) {
      statements.push(this.sourceSQL)
      return Reflect.apply(original, this, values)
    },
  })
}

if (onMssql) {
  const { MssqlConnection } = await import('../../db/dialects/mssql-connection.ts')
  const original = MssqlConnection.prototype.executeQuery
  MssqlConnection.prototype.executeQuery = function <R>(query: CompiledQuery) {
    statements.push(query.sql)
    return original.call(this, query) as Promise<QueryResult<R>>
  }
}

/** The SQL that this process has run since the last call. */
export function sentStatements(): string[] {
  const since = statements
  statements = []
  return since
}
