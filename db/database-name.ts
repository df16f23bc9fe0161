import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** The random name that a database was given with its schema, and no other has. */
export async function databaseName(db: Kysely<Schema>): Promise<string> {
  const { name } = await db.selectFrom('database_name').select('name').executeTakeFirstOrThrow()
  return name
}
