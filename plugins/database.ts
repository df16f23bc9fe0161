import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { openDatabase } from '../db/database.ts'
import { type Database, DatabaseUnavailable } from '../db/dialects/dialect.ts'
import { catalogueSize, generateCsv } from '../db/import/generate.ts'
import { importCsv } from '../db/import/import.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Its connections throw DatabaseUnavailable until the schema is there. */
    database: Database
    /** `connected` settles when the schema is up to date and, where asked for, filled. */
    databaseState: { connected: Promise<void>; status: 'starting' | 'ok' | 'unavailable' }
  }
}

/**
 * Opens the database, and once the server listens connects, migrates and, if it is an empty SQLite,
 * fills it from the generator: the port answers meanwhile.
 */
async function databasePlugin(app: FastifyInstance, { fill = false }: { fill?: boolean }) {
  const { config } = app
  const opened = await openDatabase(config.DATABASE_URL)
  const state: FastifyInstance['databaseState'] = {
    connected: Promise.resolve(),
    status: 'starting',
  }
  const whenReady = <T>(connection: T): T => {
    if (state.status === 'starting') throw new DatabaseUnavailable('the database is starting')
    return connection
  }
  app.decorate('databaseState', state)
  app.decorate('database', {
    ...opened,
    get reader() {
      return whenReady(opened.reader)
    },
    get writer() {
      return whenReady(opened.writer)
    },
  })

  async function connect() {
    await opened.connect()
    const ran = await migrate(opened)
    if (ran.length > 0) app.log.info(`migrated the database: ${ran.join(', ')}`)
    if (fill) await fillIfEmpty(app, opened)
    state.status = 'ok'
  }

  app.addHook('onReady', async () => {
    state.connected = connect()
    state.connected.catch((error) => {
      app.log.fatal(error, 'the database cannot be used')
    })
  })
  app.addHook('onClose', async () => {
    await state.connected.catch(() => {})
    await opened.close()
  })
}

async function fillIfEmpty({ config, log }: FastifyInstance, database: Database): Promise<void> {
  if (database.dialect.name !== 'sqlite') return
  const some = await database.reader.selectFrom('animes').select('id').limit(1).executeTakeFirst()
  if (some !== undefined) return
  log.info(`the database is empty: making ${catalogueSize} titles`)
  const started = performance.now()
  const { added } = await importCsv(generateCsv(), openStage(config, database), {
    onlyIfEmpty: true,
  })
  log.info(`made ${added} titles in ${Math.round(performance.now() - started)} ms`)
}

export default fp(databasePlugin, { name: 'database', dependencies: ['config'] })
