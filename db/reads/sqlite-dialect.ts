import type { ReadDialect } from './session.ts'
import { sql } from './sql.ts'

export const sqliteReads: ReadDialect = {
  placeholder: () => '?',
  limit: (count) => `limit ${count}`,
  by: (index) => (index === undefined ? ' not indexed' : ` indexed by ${index}`),
  idIn: (ids) => sql`a.id in (select value from json_each(${ids}))`,
  contains: (text, part) => sql`instr(${text}, ${part}) > 0`,
  interleaves: true,
}
