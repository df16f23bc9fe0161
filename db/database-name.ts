import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** The random name that a database was given with its schema, and no other has; empty if it was taken away. */
export async function databaseName(db: Kysely<Schema>): Promise<string> {
  const row = await db.selectFrom('database_name').select('name').executeTakeFirst()
  return row?.name ?? ''
}
