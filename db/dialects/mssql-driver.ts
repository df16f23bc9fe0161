import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
} from 'kysely'
import type { Pool } from 'tarn'
import type { Schema } from '../schema.ts'
import { retrying } from './faults.ts'
import { MssqlConnection } from './mssql-connection.ts'

/** Kysely's SQL Server dialect with one of our drivers. */
export const dialectOver = (driver: Driver) => ({
  createAdapter: () => new UnlockedAdapter(),
  createDriver: () => driver,
  createIntrospector: (db: Kysely<unknown>) => new MssqlIntrospector(db),
  createQueryCompiler: () => new MssqlQueryCompiler(),
})

/** Without Kysely's migration lock, which ends before the commit. `lockSchema` holds ours until the commit. */
class UnlockedAdapter extends MssqlAdapter {
  override async acquireMigrationLock() {}
  override async releaseMigrationLock() {}
}

type Acquire = () => Promise<MssqlConnection>

/**
 * Replaces Kysely's driver, which either sends `select 1` before each use or misses a closed socket, and
 * prints the errors of idle connections.
 */
export function pooledDriver(acquireConnection: Acquire, pool: Pool<MssqlConnection>): Driver {
  return {
    init: async () => {},
    acquireConnection,
    beginTransaction: (connection) => (connection as MssqlConnection).begin(),
    commitTransaction: (connection) => (connection as MssqlConnection).commit(),
    rollbackTransaction: (connection) => (connection as MssqlConnection).rollback(),
    releaseConnection: async (connection) => {
      pool.release(connection as MssqlConnection)
    },
    destroy: async () => {},
  }
}

/** A driver for repeatable statements: each attempt takes its own connection from the pool. */
export function readingDriver(acquire: Acquire, pool: Pool<MssqlConnection>): Driver {
  const anyConnection: DatabaseConnection = {
    executeQuery: (query) =>
      retrying(async () => {
        const connection = await acquire()
        try {
          return await connection.executeQuery(query)
        } finally {
          pool.release(connection)
        }
      }),
    streamQuery: MssqlConnection.prototype.streamQuery,
  }
  const noTransaction = () => Promise.reject(new Error('the reader has no transactions'))
  return {
    init: async () => {},
    acquireConnection: async () => anyConnection,
    beginTransaction: noTransaction,
    commitTransaction: noTransaction,
    rollbackTransaction: noTransaction,
    releaseConnection: async () => {},
    destroy: async () => {},
  }
}

/**
 * Repeats a transaction after a transient fault if it certainly did not commit. So the callback of a
 * transaction must be repeatable, and must have no effect outside of the transaction.
 */
export class WritingKysely extends Kysely<Schema> {
  override transaction() {
    const builder = super.transaction()
    const execute = builder.execute.bind(builder)
    builder.execute = (work) => retrying(() => execute(work))
    return builder
  }
}
