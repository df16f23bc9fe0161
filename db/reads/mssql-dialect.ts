import type { ReadDialect } from './session.ts'
import { raw, sql } from './sql.ts'

/** Code points in their order; and the order of people, in which A is a and é is not e. */
export const collations = { code: 'Latin1_General_BIN2', title: 'Latin1_General_CI_AS' } as const

const code = raw(`collate ${collations.code}`)

export const mssqlReads: ReadDialect = {
  placeholder: (position) => `@${position + 1}`,
  limit: (count) => `offset 0 rows fetch next ${count} rows only`,
  by: () => '',
  // Lower case in the title's collation, then byte by byte, as SQLite does it.
  contains: (text) => sql`charindex(
    lower(cast(${text} as nvarchar(400)) collate ${raw(collations.title)}) ${code},
    lower(a.title) ${code}) > 0`,
  idIn: (ids) => sql`a.id in (select cast(value as int) from openjson(${ids}))`,
}
