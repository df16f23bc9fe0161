import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../app.ts'
import { type Config, loadConfig } from '../../config.ts'
import { generateCsv } from '../../db/import/generate.ts'
import { importCatalogue } from '../../db/import/import.ts'
import { openStage } from '../../db/import/stage.ts'
import { holdToDocument } from './contract.ts'
import { type Teardown, temporaryFolder } from './teardown.ts'
import { until } from './until.ts'

export { type Teardown, temporaryFolder } from './teardown.ts'

export interface TestAppOptions {
  /** How many generated titles to fill the database with; none unless given. */
  titles?: number
  logger?: Parameters<typeof buildApp>[0]['logger']
  /** Called before `ready`, for routes and hooks of the test's own. */
  prepare?: (app: FastifyInstance) => void | Promise<void>
}

/** The settings of a service on a database of its own, with `overrides` as environment variables. */
export function testConfig(t: Teardown, overrides: NodeJS.ProcessEnv = {}): Config {
  return loadConfig({
    DATABASE_URL: `sqlite:${join(temporaryFolder(t), 'anime.db')}`,
    ...overrides,
  })
}

/** Whether TEST_DATABASE=mssql asks for the server of MSSQL_TEST_URL in the place of SQLite. */
export const onMssql = process.env.TEST_DATABASE === 'mssql'

/** The URL of a new database: SQLite's, or SQL Server's if `onMssql`. Gone when the test ends. */
export async function newDatabase(t: Teardown): Promise<string> {
  if (!onMssql) return testConfig(t).DATABASE_URL
  const { freshDatabase } = await import('./mssql.ts')
  return freshDatabase(t)
}

/** Waits until an import has reached the cache, where that takes the outbox. */
async function invalidated({ config, database }: FastifyInstance): Promise<void> {
  if (database.foreignVersion !== undefined || config.REDIS_URL !== undefined) return
  const rows = () => database.reader.selectFrom('outbox').select('id').execute()
  await until('the outbox is empty', async () => (await rows()).length === 0)
}

const secret = 'a secret of the tests, 32 characters or more'

/**
 * The service in this process, ready for `app.inject`, its database migrated and connected;
 * `overrides` are environment variables. Closed when the test ends.
 */
export async function startApp(
  t: Teardown,
  overrides: NodeJS.ProcessEnv = {},
  { titles = 0, logger, prepare }: TestAppOptions = {},
): Promise<FastifyInstance> {
  const DATABASE_URL = overrides.DATABASE_URL ?? (await newDatabase(t))
  const needed = DATABASE_URL.startsWith('mssql:') ? { JWT_SECRET: secret } : {}
  const config = testConfig(t, { ...needed, ...overrides, DATABASE_URL })
  const app = await buildApp({ config, logger })
  t.teardown(() => app.close())
  await prepare?.(app)
  await app.ready()
  await app.databaseState.connected
  holdToDocument(app)
  if (titles > 0) {
    await importCatalogue(generateCsv(titles), openStage(config.DATABASE_URL))
    await invalidated(app)
  }
  return app
}
