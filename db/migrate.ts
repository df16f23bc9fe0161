import { Migrator } from 'kysely/migration'
import type { Database } from './dialects/dialect.ts'
import { catalogue } from './migrations/0001-catalogue.ts'

const migrations = { '0001-catalogue': catalogue }

/**
 * Brings the schema up to date and gives the names of the migrations that ran (none: it was).
 * Processes that start together take turns.
 */
export async function migrate({ dialect, writer }: Database): Promise<string[]> {
  const provided = Object.fromEntries(
    Object.entries(migrations).map(([name, make]) => [name, make(dialect)]),
  )
  return writer.transaction().execute(async (trx) => {
    const migrator = new Migrator({
      db: trx,
      provider: { getMigrations: async () => provided },
    })
    const { error, results = [] } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
    return results.map((result) => result.migrationName)
  })
}
