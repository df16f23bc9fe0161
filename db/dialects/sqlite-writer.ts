import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompiledQuery,
  type DatabaseConnection,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
} from 'kysely'
import { createSemaphore } from '../reads/semaphore.ts'
import { DatabaseUnavailable } from './dialect.ts'
import { busy } from './sqlite-connection.ts'

/** Milliseconds that a statement outside of a transaction waits for another process. */
const statementTimeout = 250

/**
 * SQLite's dialect for the writing connection. A transaction takes the write lock when it begins, not at its
 * first write. It waits for it, in the queue of this process and for other processes, without blocking
 * the event loop, and for `timeout` milliseconds in all.
 */
export function writingDialect(database: SqliteDatabase, timeout = 10_000): SqliteDialect {
  const dialect = new SqliteDialect({ database })
  dialect.createAdapter = () => new WritingAdapter()
  dialect.createDriver = () => new WritingDriver({ database }, timeout)
  return dialect
}

class WritingAdapter extends SqliteAdapter {
  /** The driver has a queue of its own. */
  override get supportsMultipleConnections() {
    return true
  }

  /** SQLite does roll back DDL, which Kysely's own adapter does not count on. */
  override get supportsTransactionalDdl() {
    return true
  }
}

class WritingDriver extends SqliteDriver {
  readonly #queue = createSemaphore({ maxRunning: 1, maxWaiting: Infinity })
  readonly #timeout: number
  #deadline = 0

  constructor(config: SqliteDialectConfig, timeout: number) {
    super(config)
    this.#timeout = timeout
  }

  override async init() {
    await super.init()
    const connection = await super.acquireConnection()
    const execute = connection.executeQuery.bind(connection)
    connection.executeQuery = (query) =>
      whileBusy(
        () => execute(query),
        query === begin ? this.#deadline : Date.now() + statementTimeout,
      )
  }

  override async acquireConnection() {
    const deadline = Date.now() + this.#timeout
    await this.#queue.acquire()
    this.#deadline = deadline
    return super.acquireConnection()
  }

  override async releaseConnection() {
    this.#queue.release()
  }

  override async beginTransaction(connection: DatabaseConnection) {
    await connection.executeQuery(begin)
  }
}

const begin = CompiledQuery.raw('begin immediate')

async function whileBusy<T>(attempt: () => Promise<T>, deadline: number): Promise<T> {
  for (let delay = 1; ; delay = Math.min(10, delay * 2)) {
    try {
      return await attempt()
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== busy) throw error
      if (Date.now() > deadline) {
        throw new DatabaseUnavailable('another process holds the database', { cause: error })
      }
      await sleep(delay)
    }
  }
}
