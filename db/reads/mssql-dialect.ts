import type { ReadDialect } from './session.ts'
import { raw, sql } from './sql.ts'

/** Code points in their order; and the order of people, in which A is a and é is not e. */
export const collations = { code: 'Latin1_General_BIN2', title: 'Latin1_General_CI_AS' } as const

export const mssqlReads: ReadDialect = {
  placeholder: (position) => `@${position + 1}`,
  limit: (count, after = 0) => `offset ${after} rows fetch next ${count} rows only`,
  by: () => '',
  idIn: (ids) => sql`a.id in (select cast(value as int) from openjson(${ids}))`,
  contains: (text, part) => sql`charindex(${part}, ${text}) > 0`,
  countsBy: (table, column) => raw(`select ${column}, count(*) from ${table} group by ${column}`),
  list: (column) => raw(`string_agg(cast(${column} as varchar(max)), ',')`),
  // tedious knows no MARS: one statement a connection.
  interleaves: false,
}
