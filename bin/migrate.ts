import { loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'

try {
  const database = await openDatabase(loadConfig().DATABASE_URL)
  try {
    await database.connect({ onRetry: () => console.error('waiting for the database') })
    const ran = await migrate(database)
    console.log(ran.length > 0 ? `migrated: ${ran.join(', ')}` : 'the schema is up to date')
  } finally {
    await database.close()
  }
} catch (error) {
  console.error(`migrate: ${(error as Error).message}`)
  process.exitCode = 1
}
