import { type AnimeColumn, column } from '../../catalogue/columns.ts'
import type { ReadDialect } from './session.ts'
import { raw, sql } from './sql.ts'

export const sqliteReads: ReadDialect = {
  placeholder: () => '?',
  limit: (count, after = 0) => `limit ${count}${after > 0 ? ` offset ${after}` : ''}`,
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
  list: (column) => raw(`group_concat(${column})`),
  interleaves: true,
  // In half the time that rows in JavaScript take. What has a limit keeps its order in a subquery.
  rendered: (rows, columns, follows) => {
    const members = columns.map((name) => `'"${name}":', ${jsonOf(name)}`).join(", ',', ")
    const texts = raw(`group_concat(concat('{', ${members}, '}'), ',')`)
    return sql`select cast(concat(${follows ? ',' : ''}, ${texts}) as blob), count(*), min(id), max(id) from (${rows})`
  },
}

/** A column's JSON as `renderRows` writes it. Lists are kept as JSON. */
function jsonOf(name: AnimeColumn): string {
  const kind = name === 'id' ? 'integer' : column(name).kind
  switch (kind) {
    case 'integer':
      return `ifnull(${name}, 'null')`
    case 'decimal':
      return `ifnull(iif(${name} = cast(${name} as integer), cast(${name} as integer), ${name}), 'null')`
    case 'list':
      return name
    default:
      return `json_quote(${name})`
  }
}
