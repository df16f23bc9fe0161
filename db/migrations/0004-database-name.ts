import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/** A name that no other database has: in Redis, the answers of one are never taken for another's. */
export const databaseName = ({ types }: Dialect): Migration => ({
  async up(db) {
    await db.schema
      .createTable('database_name')
      .addColumn('name', types.code(36), (c) => c.notNull())
      .execute()
    await sql`insert into database_name (name) values (${randomUUID()})`.execute(db)
  },
})
