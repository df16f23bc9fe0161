import { Kysely, sql } from 'kysely'
import { logQuery } from '../query-log.ts'
import { openMssqlReads } from '../reads/mssql.ts'
import { collations } from '../reads/mssql-dialect.ts'
import type { ReaderOptions } from '../reads/threads.ts'
import type { Schema } from '../schema.ts'
import type { Database, Dialect } from './dialect.ts'
import { Fault } from './faults.ts'
import { authenticationOf } from './mssql-connection.ts'
import { dialectOver, pooledDriver, readingDriver, WritingKysely } from './mssql-driver.ts'
import { openPool, retryConnect } from './mssql-pool.ts'
import { type MssqlSettings, parseMssqlUrl } from './mssql-url.ts'

const type = (name: string) => sql.raw(name)

/**
 * Takes a lock until the transaction ends, and sets `@held`: below 0 it could not be had in `timeout` ms, or with -1 as
 * long as a statement may take. Named by the database: Babelfish has one space of names for all of a server.
 */
export const appLock = (name: string, timeout = -1) =>
  `declare @held int, @lock nvarchar(255) = concat('${name} of ', db_name())
    exec @held = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive',
      @LockOwner = 'Transaction', @LockTimeout = ${timeout}`

/** Taken before any row is: whoever writes words reads what is there first. */
export const lockWords = `${appLock('search_words')}
    if @held < 0 throw 51003, 'another write holds the words of search', 1`

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
  // A migration of another process takes its time: waits as long as a statement may take.
  lockSchema: async (trx) => {
    const held = 'another process is changing the schema'
    await sql`
      ${sql.raw(appLock('anime-api schema'))}
      if @held < 0 throw 51000, ${sql.lit(held)}, 1`
      .execute(trx)
      .catch((cause) => {
        throw cause instanceof Fault && cause.kind === 'timeout'
          ? new Error(held, { cause })
          : cause
      })
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
    ...openMssqlReads(
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
