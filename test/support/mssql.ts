import { randomBytes } from 'node:crypto'
import { type Connection, Request } from 'tedious'
import {
  authenticationOf,
  closeConnection,
  openConnection,
} from '../../db/dialects/mssql-connection.ts'
import { execute } from '../../db/dialects/mssql-request.ts'
import { parseMssqlUrl } from '../../db/dialects/mssql-url.ts'
import type { Teardown } from './teardown.ts'
import { until } from './until.ts'

/** The server for the tests, as DATABASE_URL would name it; its login may create databases. */
export const mssqlTestUrl = process.env.MSSQL_TEST_URL

/** For the `skip` of a test that needs it: false, or why not. */
export const withoutMssql =
  mssqlTestUrl === undefined && 'no SQL Server: MSSQL_TEST_URL names none (mssql://...)'

/** A connection past the service. */
export interface Sql {
  /** Runs a batch and gives the rows of all its results. */
  run: <R = Record<string, unknown>>(batch: string) => Promise<R[]>
  connection: Connection
  close: () => Promise<void>
}

export async function openSql(url: string): Promise<Sql> {
  const settings = { ...parseMssqlUrl(url), requestTimeout: 60_000 }
  const connection = await openConnection(settings, await authenticationOf(settings))
  return {
    connection,
    close: () => closeConnection(connection),
    run: async <R>(batch: string) => {
      const send = (done: ConstructorParameters<typeof Request>[1]) => new Request(batch, done)
      const { rows } = await execute<R>(connection, send, 'execSqlBatch')
      return rows
    },
  }
}

/** `url` with another database, or another host and port. */
export function withUrl(
  url: string,
  changes: { database?: string; port?: number; parameters?: Record<string, string> },
): string {
  const changed = new URL(url)
  if (changes.database !== undefined) changed.pathname = `/${changes.database}`
  if (changes.port !== undefined) changed.host = `127.0.0.1:${changes.port}`
  for (const [name, value] of Object.entries(changes.parameters ?? {})) {
    changed.searchParams.set(name, value)
  }
  return changed.href
}

/** The URL of a new, empty database on the server of MSSQL_TEST_URL; dropped when the test ends. */
export async function freshDatabase(t: Teardown): Promise<string> {
  if (mssqlTestUrl === undefined) throw new Error(String(withoutMssql))
  const server = withUrl(mssqlTestUrl, { database: 'master' })
  const database = `anime_test_${randomBytes(6).toString('hex')}`
  // Suites that start together get in each other's way here.
  await onServer(server, (sql) =>
    passes(`the database ${database} is made`, () => sql.run(`create database ${database}`)),
  )
  t.teardown(() => drop(server, database))
  // Migrations and imports of a test server that does much else may take their time.
  return withUrl(mssqlTestUrl, { database, parameters: { requestTimeout: '60000' } })
}

async function onServer(server: string, work: (sql: Sql) => Promise<void>) {
  const sql = await openSql(server)
  await work(sql).finally(() => sql.close())
}

/** Repeats `attempt` until it passes; the error of one that never does tells of its last refusal. */
async function passes(what: string, attempt: () => Promise<unknown>) {
  let refusal: unknown
  const once = () =>
    attempt().then(
      () => true,
      (error) => {
        refusal = error
        return false
      },
    )
  await until(what, once).catch((error) => {
    throw new Error(`${error.message}: ${refusal}`)
  })
}

async function drop(server: string, database: string) {
  const sessions = `select session_id from sys.dm_exec_sessions
    where database_id = db_id('${database}') and session_id <> @@spid`
  await onServer(server, (sql) =>
    passes(`the database ${database} is dropped`, async () => {
      for (const { session_id: id } of await sql.run<{ session_id: number | null }>(sessions)) {
        if (id !== null) await sql.run(`kill ${id}`).catch(() => {})
      }
      await sql.run(`drop database ${database}`)
    }),
  )
}
