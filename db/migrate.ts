import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Database } from './dialects/dialect.ts'
import { catalogue } from './migrations/0001-catalogue.ts'
import { accounts } from './migrations/0002-accounts.ts'
import { importProcedure } from './migrations/0003-import-procedure.ts'
import { databaseName } from './migrations/0004-database-name.ts'
import { merge } from './migrations/0005-merge.ts'
import { listIndexes } from './migrations/0006-list-indexes.ts'
import { idempotencyKeys } from './migrations/0007-idempotency.ts'
import { search } from './migrations/0008-search.ts'
import { titleScores } from './migrations/0009-title-scores.ts'
import type { Schema } from './schema.ts'

const migrations = {
  '0001-catalogue': catalogue,
  '0002-accounts': accounts,
  '0003-import-procedure': importProcedure,
  '0004-database-name': databaseName,
  '0005-merge': merge,
  '0006-list-indexes': listIndexes,
  '0007-idempotency': idempotencyKeys,
  '0008-search': search,
  '0009-title-scores': titleScores,
}

/**
 * Runs the pending migrations and returns their names. A lock lets one process migrate at a time. If
 * nothing is pending, no lock is taken, so that a service can start during an import.
 */
export async function migrate({ dialect, reader, writer }: Database): Promise<string[]> {
  const built = Object.fromEntries(
    Object.entries(migrations).map(([name, make]) => [name, make(dialect)]),
  )
  const migratorOn = (db: Kysely<Schema>) =>
    new Migrator({ db, provider: { getMigrations: async () => built } })
  const statuses = await migratorOn(reader).getMigrations()
  if (statuses.every(({ executedAt }) => executedAt !== undefined)) return []
  await dialect.prepare(writer)
  return writer.transaction().execute(async (trx) => {
    await dialect.lockSchema(trx)
    const migrator = migratorOn(trx)
    const { error, results = [] } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
    return results.map((result) => result.migrationName)
  })
}
