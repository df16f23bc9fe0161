import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigError } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { type Database, DatabaseUnavailable } from '../db/dialects/dialect.ts'
import { migrate } from '../db/migrate.ts'

/** `unavailable`: the last try has failed, at the start or later. */
type DatabaseStatus = 'connecting' | 'migrating' | 'filling' | 'ok' | 'unavailable'

declare module 'fastify' {
  interface FastifyInstance {
    /** Its connections throw DatabaseUnavailable until the schema is there. */
    database: Database
    /** `connected` settles when the schema is up to date and, where asked for, filled. */
    databaseState: {
      connected: Promise<void>
      status: DatabaseStatus
      /** For a request that met an absent database: what is going on, and when to ask again. */
      readonly notice: { detail: string; seconds: number }
    }
  }
}

/** Seconds between attempts to connect, after the first one has failed. */
const retryAfter = [1, 2, 5, 15]

/** Seconds after which a client may ask again: what a filling takes, and anything else. */
const askAgain = { filling: 2, other: 5 }

/** The detail of a 503, by the state in which the request met no database. */
const details: Record<DatabaseStatus | 'lost', string> = {
  connecting: 'the service is connecting to its database',
  migrating: 'the schema of the database is being brought up to date',
  filling: 'the empty database is being filled',
  ok: 'the database did not answer',
  unavailable: 'the database cannot be used yet; the service goes on trying',
  lost: 'the connection to the database is lost; the service goes on trying',
}

/**
 * Opens the database, and once the server listens connects, migrates and, if it is an empty SQLite,
 * fills it from the generator: the port answers meanwhile. What fails is tried again, since a database
 * may come back.
 * @throws ConfigError when DATABASE_URL names nothing that can be opened
 */
async function databasePlugin(app: FastifyInstance, { fill = false }: { fill?: boolean }) {
  const { config } = app
  const opened = await openDatabase(config.DATABASE_URL, {
    streamAbove: config.STREAM_ABOVE,
    startOne: true,
  }).catch((error) => {
    throw new ConfigError(`DATABASE_URL: cannot be opened: ${error.message}`, { cause: error })
  })
  const closing = new AbortController()
  let phase: DatabaseStatus = 'connecting'
  let worked = false
  const state: FastifyInstance['databaseState'] = {
    connected: Promise.resolve(),
    // Of what the last connection told: no query is sent to find out.
    get status() {
      return phase === 'ok' && opened.reachable?.() === false ? 'unavailable' : phase
    },
    set status(now) {
      phase = now
      worked ||= now === 'ok'
    },
    get notice() {
      const { status } = state
      const detail = details[worked && status === 'unavailable' ? 'lost' : status]
      return { detail, seconds: status === 'filling' ? askAgain.filling : askAgain.other }
    },
  }
  const whenReady = <T>(connection: T): T => {
    if (phase === 'ok') return connection
    throw new DatabaseUnavailable(`the database is ${state.status}`)
  }
  app.decorate('databaseState', state)
  app.decorate<Database>('database', {
    ...opened,
    get reader() {
      return whenReady(opened.reader)
    },
    read: async (read, options) => whenReady(opened.read)(read, options),
    get writer() {
      return whenReady(opened.writer)
    },
  })

  async function connectAtLast() {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      try {
        return await connect()
      } catch (error) {
        if (closing.signal.aborted) return
        const seconds = retryAfter[attempt] ?? retryAfter.at(-1)!
        state.status = 'unavailable'
        app.log.error(error, `the database cannot be used; trying again in ${seconds} s`)
        await sleep(seconds * 1000, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
  }

  async function connect() {
    await opened.connect({
      signal: closing.signal,
      onRetry: ({ message }) => app.log.warn(`the database is not there yet: ${message}`),
    })
    state.status = 'migrating'
    const ran = await migrate(opened)
    if (ran.length > 0) app.log.info(`migrated the database: ${ran.join(', ')}`)
    if (fill && (await isEmpty(opened))) {
      state.status = 'filling'
      await fillCatalogue(app)
    }
    state.status = 'ok'
  }

  app.addHook('onReady', async () => {
    state.connected = connectAtLast()
  })
  // Before any onClose: a plugin that waits there for the database would else wait for one that never comes.
  app.addHook('preClose', async () => closing.abort())
  app.addHook('onClose', async () => {
    await state.connected
    await opened.close()
  })
}

/** Whether there is a SQLite without a title; a database on a server is filled by an import. */
async function isEmpty({ dialect, reader }: Database): Promise<boolean> {
  if (dialect.name !== 'sqlite') return false
  const title = await reader.selectFrom('animes').select('id').limit(1).executeTakeFirst()
  return title === undefined
}

async function fillCatalogue({ config, log }: FastifyInstance) {
  // Loaded here, since only a first start needs them.
  const { catalogueSize, generateCsv } = await import('../db/import/generate.ts')
  const { importCatalogue } = await import('../db/import/import.ts')
  const { openStage } = await import('../db/import/stage.ts')
  log.info(`the database is empty: making ${catalogueSize} titles`)
  const started = performance.now()
  const { added } = await importCatalogue(generateCsv(), openStage(config.DATABASE_URL), {
    onlyIfEmpty: true,
  })
  log.info(`made ${added} titles in ${Math.round(performance.now() - started)} ms`)
}

export default fp(databasePlugin, { name: 'database', dependencies: ['config'] })
