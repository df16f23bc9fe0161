import type { ReadDialect } from './session.ts'
import { raw, sql } from './sql.ts'

export const sqliteReads: ReadDialect = {
  placeholder: () => '?',
  limit: (count) => `limit ${count}`,
  by: (index) => (index === undefined ? ' not indexed' : ` indexed by ${index}`),
  idIn: (ids) => sql`a.id in (select value from json_each(${ids}))`,
  contains: (text, part) => sql`instr(${text}, ${part}) > 0`,
  // A group by looks at each value; from one value to the next, and a count each, takes 0.6 of that.
  countsBy: (table, column) =>
    raw(`with recursive v (value) as (
        select min(${column}) from ${table}
        union all
        select (select min(${column}) from ${table} where ${column} > value) from v where value is not null)
      select value, (select count(*) from ${table} where ${column} = value) from v where value is not null
      union all
      select null, n from (select count(*) as n from ${table} where ${column} is null) where n > 0`),
  interleaves: true,
}
