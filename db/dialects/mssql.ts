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

export { collations }

/** Milliseconds that two processes that bring the schema up to date wait for each other. */
const schemaLock = 10_000

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
    timestamp: type('datetime2(3)'),
    now: sql`sysutcdatetime()`,
  },
  // An update to the same value locks the row on every server, a lock hint on a select is no more than
  // a hint. What it changed is read by a statement of its own: that one sees the last commit.
  lockAnime: (columns, id) => sql`
    update animes set type = type where id = ${id}
    select ${sql.join(columns.map((column) => sql.ref(column)))} from animes where id = ${id}`,
  // Without the first a reader waits for an import; without the second, what several statements read is
  // of no one moment. Azure SQL has both on.
  prepare: async (db) => {
    const { rows } = await sql<{ committed: boolean; whole: number }>`
      select is_read_committed_snapshot_on as committed, snapshot_isolation_state as whole
      from sys.databases where database_id = db_id()
    `.execute(db)
    const [state] = rows
    if (state?.committed === false) {
      await switchOn(db, 'read_committed_snapshot', ' with no_wait')
    }
    if (state?.whole === 0) await switchOn(db, 'allow_snapshot_isolation')
  },
  lockSchema: async (trx) => {
    await sql`
      declare @held int
      exec @held = sp_getapplock @Resource = 'anime-api schema', @LockMode = 'Exclusive',
        @LockOwner = 'Transaction', @LockTimeout = ${sql.lit(schemaLock)}
      if @held < 0 throw 51000, 'another process is changing the schema', 1`.execute(trx)
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

async function switchOn(db: Kysely<Schema>, option: string, terms = ''): Promise<void> {
  const statement = `alter database current set ${option} on`
  await sql`${sql.raw(statement + terms)}`.execute(db).catch((cause) => {
    const reason = `${option.toUpperCase()} is off and cannot be set now: ${cause.message}`
    throw new Error(`${reason}; run "${statement}" while nobody else is connected`, { cause })
  })
}

/** Milliseconds that a database has to come back when a process starts; a paused one takes a minute. */
const connectBudget = 90_000
/** Milliseconds between two times of telling that it is not back yet. */
const tellEvery = 10_000

/**
 * Opens the SQL Server or Azure SQL database of `url`: one pool for reading and writing, filled on
 * demand. Reads are repeated after a fault, and transactions when they have certainly not committed.
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
      waitFor(async () => {
        pool.release(await acquire())
      }, options),
    close,
  }
}

function openPool(settings: MssqlSettings, authentication: Authentication) {
  let reached = true
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
        reached = true
        return new MssqlConnection(opened)
      } catch (error) {
        reached = false
        throw error
      }
    },
    // Free: the socket's end is known here without asking the server.
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
    // The pool would wait for those that are still being opened.
    closing.abort()
    await pool.destroy()
  }
  return { pool, acquire, close, reachable: () => reached }
}

/** Tries until it works, for as long as the fault may be over by itself. */
async function waitFor(
  attempt: () => Promise<void>,
  { onRetry = () => {}, signal, budget = connectBudget }: ConnectOptions = {},
): Promise<void> {
  const deadline = performance.now() + budget
  const stopped = abortOf(signal)
  let told = -Infinity
  for (;;) {
    try {
      return await Promise.race([attempt(), stopped])
    } catch (error) {
      const hopeful = mayRetry(error) || (error as Fault).kind === 'timeout'
      if (!hopeful || performance.now() > deadline) throw error
      if (performance.now() - told > tellEvery) {
        told = performance.now()
        onRetry(error as Fault)
      }
      await sleep(500 + 500 * Math.random(), undefined, { signal })
    }
  }
}

/** Rejects once `signal` is aborted. */
function abortOf(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  signal?.addEventListener('abort', () => reject(signal.reason))
  return promise
}

/** Kysely's SQL Server, over a driver of ours. */
export const dialectOver = (driver: Driver) => ({
  createAdapter: () => new LockedByUsAdapter(),
  createDriver: () => driver,
  createIntrospector: (db: Kysely<unknown>) => new MssqlIntrospector(db),
  createQueryCompiler: () => new MssqlQueryCompiler(),
})

/** Kysely's lock belongs to the session and ends before the commit; `lockSchema` ends with it. */
class LockedByUsAdapter extends MssqlAdapter {
  override async acquireMigrationLock() {}
  override async releaseMigrationLock() {}
}

type Acquire = () => Promise<MssqlConnection>

/**
 * Kysely's own driver would send `select 1` before each use or not see a dead socket, and prints the
 * errors of idle connections.
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

/** Statements that may be repeated: each takes a connection of its own, and after a fault another. */
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
 * Its transactions begin again when they have certainly not committed: what a transaction does must
 * bear being done again, and tell nobody before the end.
 */
class WritingKysely extends Kysely<Schema> {
  override transaction() {
    const builder = super.transaction()
    const execute = builder.execute.bind(builder)
    builder.execute = (work) => retrying(() => execute(work))
    return builder
  }
}
