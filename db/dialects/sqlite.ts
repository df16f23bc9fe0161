import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely'
import { logQuery } from '../query-log.ts'
import { openReaders, type ReaderOptions } from '../reads/threads.ts'
import type { Schema } from '../schema.ts'
import type { Database, Dialect } from './dialect.ts'
import { openConnection, statementCache } from './sqlite-connection.ts'
import { writingDialect } from './sqlite-writer.ts'

const type = (name: string) => sql.raw(name)

const sqlite: Dialect = {
  name: 'sqlite',
  types: {
    id: type('integer'),
    identity: (column) => column.primaryKey().autoIncrement(),
    integer: type('integer'),
    score: type('real'),
    code: () => type('text'),
    title: () => type('text collate nocase'),
    longText: type('text'),
    bytes: type('blob'),
    timestamp: type('text'),
    now: sql`(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
  },
  // A transaction begins with the only write lock there is.
  lockAnime: (columns, id) =>
    sql`select ${sql.join(columns.map((column) => sql.ref(column)))} from animes where id = ${id}`,
  prepare: async () => {},
  lockSchema: async () => {},
  lockWords: async () => {},
  insertAnime: async (trx, values) => {
    const row = await trx
      .insertInto('animes')
      .values(values)
      .returning('id')
      .executeTakeFirstOrThrow()
    return row.id
  },
}

export interface SqliteOptions extends ReaderOptions {
  /** Milliseconds that a transaction waits for its turn and for other processes (default 10,000). */
  writeTimeout?: number
}

/**
 * Opens (or makes) the SQLite file at `path`; `:memory:` is refused, since the two connections would
 * see two databases. WAL lets the reader see the last commit while a write, of this process or
 * another, is under way (https://sqlite.org/wal.html).
 */
export function openSqlite(path: string, options: SqliteOptions = {}): Database {
  if (path === ':memory:') throw new Error('SQLite needs a file, :memory: cannot be shared')
  mkdirSync(dirname(path), { recursive: true })
  const { writeTimeout, ...readerOptions } = options
  const writing = openConnection(path)
  // SQLite's own wait would block the event loop; the driver waits instead.
  writing.exec('pragma busy_timeout = 0')
  const reading = openConnection(path)
  reading.exec('pragma query_only = on')
  const readers = openReaders(path, readerOptions)
  const dataVersion = writing.prepare('pragma data_version')
  return {
    dialect: sqlite,
    reader: new Kysely<Schema>({
      dialect: new SqliteDialect({ database: adapt(reading) }),
      log: logQuery,
    }),
    writer: new Kysely<Schema>({
      dialect: writingDialect(adapt(writing), writeTimeout),
      log: logQuery,
    }),
    // On the writing connection, so that this process's own commits do not move it.
    foreignVersion: () => dataVersion.get()?.data_version as number,
    read: readers.read,
    admit: readers.admit,
    connect: async () => {},
    close: async () => {
      await readers.close()
      if (reading.isOpen) reading.close()
      if (writing.isOpen) writing.close()
    },
  }
}

/** What Kysely's SqliteDialect asks of better-sqlite3, given by `node:sqlite`. */
const adapt = (connection: DatabaseSync): SqliteDatabase => ({
  close: () => connection.close(),
  prepare: statementCache((text) => wrap(connection.prepare(text))),
})

/**
 * Rows come as arrays and are made objects here: `node:sqlite` makes objects that are slow to make and
 * slow to read, twice the time for a list of 20,000.
 */
function wrap(statement: StatementSync) {
  let names = statement.columns().map(({ name }) => name)
  const reader = names.length > 0
  statement.setReturnArrays(true)
  const objectOf = (values: unknown[]) => {
    // After a change of the schema `select *` has other columns.
    if (values.length !== names.length) names = statement.columns().map(({ name }) => name)
    const row: Record<string, unknown> = {}
    for (let index = 0; index < names.length; index += 1) row[names[index]!] = values[index]
    return row
  }
  const rowsOf = (rows: unknown) => (rows as unknown[][]).map(objectOf)
  return {
    reader,
    all: (parameters: ReadonlyArray<unknown>) =>
      rowsOf(statement.all(...(parameters as SQLInputValue[]))),
    run: (parameters: ReadonlyArray<unknown>) => statement.run(...(parameters as SQLInputValue[])),
    *iterate(parameters: ReadonlyArray<unknown>) {
      const rows: Iterable<unknown> = statement.iterate(...(parameters as SQLInputValue[]))
      for (const values of rows) yield objectOf(values as unknown[])
    },
  }
}
