import { subscribe } from 'node:diagnostics_channel'
import type { LogEvent } from 'kysely'
import { queryChannel } from '../../db/query-log.ts'

let statements: string[] = []

subscribe(queryChannel, (event) => {
  statements.push((event as LogEvent).query.sql)
})

/** The SQL of this process's queries that have ended since the last call, those of its threads too. */
export function sentStatements(): string[] {
  const since = statements
  statements = []
  return since
}
