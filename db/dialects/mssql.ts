import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
  sql,
} from 'kysely'
import { Pool } from 'tarn'
import { logQuery } from '../query-log.ts'
import { openMssqlReads } from '../reads/mssql.ts'
import { collations } from '../reads/mssql-dialect.ts'
import type { ReaderOptions } from '../reads/threads.ts'
import type { Schema } from '../schema.ts'
import type { ConnectOptions, Database, Dialect } from './dialect.ts'
import { asFault, type Fault, mayRetry, retrying } from './faults.ts'
import {
  type Authentication,
  authenticationOf,
  closeConnection,
  isClosed,
  MssqlConnection,
  openConnection,
} from './mssql-connection.ts'
import { type MssqlSettings, parseMssqlUrl } from './mssql-url.ts'

const type = (name: string) => sql.raw(name)

/** Milliseconds that a process waits for another one's migration. */
const schemaLockTimeout = 10_000

/**
 * Taken before any row is: whoever writes words reads what is there first. Waits as long as a statement
 * may take.
 */
export const lockWords = `declare @words int
    exec @words = sp_getapplock @Resource = 'search_words', @LockMode = 'Exclusive',
      @LockOwner = 'Transaction', @LockTimeout = -1
    if @words < 0 throw 51003, 'another write holds the words of search', 1`

export const mssql: Dialect = {
  name: 'mssql',
  types: {
    id: type('int'),
    identity: (column) => column.identity().primaryKey(),
    integer: type('int'),
    score: type('decimal(4, 2)'),
    code: (length) => type(`nvarchar(${length}) collate ${collations.code}`),
    title: (length) => type(`nvarchar(${length}) collate ${collations.title}`),
    longText: type('nvarchar(max)'),
    bytes: type('varbinary(max)'),
    timestamp: type('datetime2(3)'),
    now: sql`sysutcdatetime()`,
  },
  // A lock hint on the select is ignored by Babelfish, so an update to the same value locks the row. The
  // select is a statement of its own, since it then sees the last commit.
  lockAnime: (columns, id) => sql`
    ${sql.raw(lockWords)}
    update animes set type = type where id = ${id}
    select ${sql.join(columns.map((column) => sql.ref(column)))} from animes where id = ${id}`,
  // Without READ_COMMITTED_SNAPSHOT readers wait for an import. ALLOW_SNAPSHOT_ISOLATION lets several
  // statements read one consistent state. Azure SQL has both on.
  prepare: async (db) => {
    const { rows } = await sql<{ committed: boolean; snapshot_state: number }>`
      select is_read_committed_snapshot_on as committed, snapshot_isolation_state as snapshot_state
      from sys.databases where database_id = db_id()
    `.execute(db)
    const [state] = rows
    if (state?.committed === false) {
      await enableOption(db, 'read_committed_snapshot', ' with no_wait')
    }
    if (state?.snapshot_state === 0) await enableOption(db, 'allow_snapshot_isolation')
  },
  lockSchema: async (trx) => {
    await sql`
      declare @lock_result int
      exec @lock_result = sp_getapplock @Resource = 'anime-api schema', @LockMode = 'Exclusive',
        @LockOwner = 'Transaction', @LockTimeout = ${sql.lit(schemaLockTimeout)}
      if @lock_result < 0 throw 51000, 'another process is changing the schema', 1`.execute(trx)
  },
  lockWords: async (trx) => {
    await sql.raw(lockWords).execute(trx)
  },
  insertAnime: async (trx, values) => {
    const row = await trx
      .insertInto('animes')
      .values(values)
      .output('inserted.id')
      .executeTakeFirstOrThrow()
    return row.id
  },
}

async function enableOption(db: Kysely<Schema>, option: string, terms = ''): Promise<void> {
  const statement = `alter database current set ${option} on`
  await sql`${sql.raw(statement + terms)}`.execute(db).catch((cause) => {
    const reason = `${option.toUpperCase()} is off and cannot be set now: ${cause.message}`
    throw new Error(`${reason}; run "${statement}" while no other session is connected`, { cause })
  })
}

/** Milliseconds that `connect` keeps trying by default. A paused serverless database takes a minute. */
const connectBudget = 90_000
/** Minimum milliseconds between two calls of `onRetry`. */
const reportInterval = 10_000

/**
 * Opens the SQL Server or Azure SQL database of `url`: one pool for reading and writing, filled on
 * demand. After a transient fault, reads are repeated, and so are transactions that certainly did not commit.
 * @throws Error with one line that says what is wrong with the URL
 */
export async function openMssql(
  url: string,
  options?: ReaderOptions,
): Promise<Database & { settings: MssqlSettings }> {
  const settings = parseMssqlUrl(url)
  const authentication = await authenticationOf(settings)
  const { pool, reachable, acquire, close } = openPool(settings, authentication)
  return {
    settings,
    dialect: mssql,
    reader: new Kysely<Schema>({
      dialect: dialectOver(readingDriver(acquire, pool)),
      log: logQuery,
    }),
    writer: new WritingKysely({
      dialect: dialectOver(pooledDriver(acquire, pool)),
      log: logQuery,
    }),
    read: openMssqlReads(
      { size: settings.poolMax, acquire, release: (connection) => void pool.release(connection) },
      options,
    ),
    reachable,
    connect: (options) =>
      retryConnect(async () => {
        pool.release(await acquire())
      }, options),
    close,
  }
}

function openPool(settings: MssqlSettings, authentication: Authentication) {
  let reachable = true
  const closing = new AbortController()
  const pool = new Pool<MssqlConnection>({
    min: 0,
    max: settings.poolMax,
    acquireTimeoutMillis: settings.acquireTimeout,
    createTimeoutMillis: settings.connectTimeout + 1000,
    idleTimeoutMillis: settings.idleTimeout,
    reapIntervalMillis: Math.min(1000, settings.idleTimeout),
    destroyTimeoutMillis: 2000,
    propagateCreateError: true,
    create: async () => {
      try {
        const opened = await openConnection(settings, authentication, closing.signal)
        reachable = true
        return new MssqlConnection(opened)
      } catch (error) {
        reachable = false
        throw error
      }
    },
    // Costs nothing: tedious has already noticed a closed socket.
    validate: ({ tedious }) => !isClosed(tedious),
    destroy: ({ tedious }) => closeConnection(tedious),
    log: () => {},
  })
  const acquire = async () => {
    try {
      return await pool.acquire().promise
    } catch (error) {
      throw asFault(error)
    }
  }
  const close = async () => {
    // Without it the pool would wait for connections that are still being opened.
    closing.abort()
    await pool.destroy()
  }
  return { pool, acquire, close, reachable: () => reachable }
}

/** Repeats `attempt` until it succeeds, the error is not transient, or `budget` milliseconds have passed. */
async function retryConnect(
  attempt: () => Promise<void>,
  { onRetry = () => {}, signal, budget = connectBudget }: ConnectOptions = {},
): Promise<void> {
  const deadline = performance.now() + budget
  const aborted = rejectOnAbort(signal)
  let lastReport = -Infinity
  for (;;) {
    try {
      return await Promise.race([attempt(), aborted])
    } catch (error) {
      const retryable = mayRetry(error) || (error as Fault).kind === 'timeout'
      if (!retryable || performance.now() > deadline) throw error
      if (performance.now() - lastReport > reportInterval) {
        lastReport = performance.now()
        onRetry(error as Fault)
      }
      await sleep(500 + 500 * Math.random(), undefined, { signal })
    }
  }
}

/** Rejects once `signal` is aborted. */
function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  signal?.addEventListener('abort', () => reject(signal.reason))
  return promise
}

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
function pooledDriver(acquireConnection: Acquire, pool: Pool<MssqlConnection>): Driver {
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
function readingDriver(acquire: Acquire, pool: Pool<MssqlConnection>): Driver {
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
class WritingKysely extends Kysely<Schema> {
  override transaction() {
    const builder = super.transaction()
    const execute = builder.execute.bind(builder)
    builder.execute = (work) => retrying(() => execute(work))
    return builder
  }
}
