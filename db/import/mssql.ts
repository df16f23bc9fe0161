import { randomUUID } from 'node:crypto'
import { type Connection, Request, TYPES } from 'tedious'
import {
  authenticationOf,
  closeConnection,
  execute,
  isClosed,
  openConnection,
} from '../dialects/mssql-connection.ts'
import type { MssqlSettings } from '../dialects/mssql-url.ts'
import { ImportError } from './errors.ts'
import type { BatchRow, ImportSummary, OpenStage, Stage } from './import.ts'

type Counts = Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>

/** Longest text of each staging column; null for one without a bound. */
const stagingColumns = {
  batch: 64,
  source_id: 400,
  title: 4000,
  type: 400,
  year: 400,
  score: 400,
  episodes: 400,
  genres: null,
} as const

/** Milliseconds to wait for another import. */
const lockTimeout = 10_000

/**
 * Imports into SQL Server on a connection of its own: bulk loads (TDS, MS-TDS 2.2.6.1) into
 * `animes_staging`, then the procedure `import_animes`, all in one transaction.
 */
export function mssqlStage(settings: MssqlSettings): OpenStage {
  return async ({ replace, dryRun }) => {
    // The procedure takes as long as it takes.
    const forImport = { ...settings, requestTimeout: 0 }
    const connection = await openConnection(forImport, await authenticationOf(settings))
    try {
      await transaction((done) => connection.beginTransaction(done))
      await lockOut(connection)
      const { rows } = await batch<{ titles: number }>(
        connection,
        'select count(*) as titles from animes',
      )
      return stageOf(connection, rows[0]!.titles, replace, dryRun)
    } catch (error) {
      await closeConnection(connection)
      throw error
    }
  }
}

function stageOf(
  connection: Connection,
  existing: number,
  replace: boolean,
  dryRun: boolean,
): Stage {
  const name = randomUUID()
  const isFirst = firstOfEach()
  let committing: Promise<void> | undefined
  let aborted = false
  // The protocol takes one request at a time; the next batch waits here.
  let last: Promise<unknown> = Promise.resolve()

  async function finish(): Promise<Counts> {
    await last
    const { rows } = await execute<Counts>(
      connection,
      (done) => {
        const request = new Request('import_animes', done)
        request.addParameter('batch', TYPES.NVarChar, name)
        request.addParameter('replace', TYPES.Bit, replace)
        return request
      },
      'callProcedure',
    )
    const { added, changed, unchanged, removed } = rows[0]!
    if (aborted) throw new Error('aborted')
    const keep = !dryRun && added + changed + removed > 0
    committing = transaction((done) =>
      keep ? connection.commitTransaction(done) : connection.rollbackTransaction(done),
    )
    await committing
    await closeConnection(connection)
    return { added, changed, unchanged, removed }
  }

  return {
    existing,
    load: (rows) => {
      const fresh: BatchRow[] = []
      const left: BatchRow[] = []
      for (const row of rows) (isFirst(row) ? fresh : left).push(row)
      const loaded = last.then(() => bulkLoad(connection, name, fresh))
      last = loaded
      loaded.catch(() => {})
      return loaded.then(() => left)
    },
    finish,
    abort: async () => {
      if (committing !== undefined) return committing.catch(() => {})
      aborted = true
      // The server rolls back what the end of the connection leaves open.
      await closeConnection(connection)
    },
  }
}

/** Tells whether a row is the first with its `source_id`: a bit for each id, in pages of 1 KiB. */
function firstOfEach(): (row: BatchRow) => boolean {
  const pages = new Map<number, Uint8Array>()
  return ({ source_id }) => {
    const at = Math.floor(source_id / 8192)
    let page = pages.get(at)
    if (page === undefined) {
      page = new Uint8Array(1024)
      pages.set(at, page)
    }
    const byte = (source_id % 8192) >> 3
    const bit = 1 << (source_id & 7)
    if ((page[byte]! & bit) !== 0) return false
    page[byte]! |= bit
    return true
  }
}

async function lockOut(connection: Connection): Promise<void> {
  const { rows } = await batch<{ held: number }>(
    connection,
    `declare @held int
     exec @held = sp_getapplock @Resource = 'import_animes', @LockMode = 'Exclusive',
       @LockOwner = 'Transaction', @LockTimeout = ${lockTimeout}
     select @held as held`,
  )
  if (rows[0]!.held < 0) throw new ImportError('another process holds the database')
}

const batch = <R>(connection: Connection, sql: string) =>
  execute<R>(connection, (done) => new Request(sql, done), 'execSqlBatch')

function transaction(send: (done: (error?: Error | null) => void) => void): Promise<void> {
  const answer = Promise.withResolvers<void>()
  send((error) => (error ? answer.reject(error) : answer.resolve()))
  return answer.promise
}

function bulkLoad(connection: Connection, name: string, rows: BatchRow[]): Promise<void> {
  if (rows.length === 0) return Promise.resolve()
  if (isClosed(connection)) return Promise.reject(new Error('the connection was closed'))
  const answer = Promise.withResolvers<void>()
  const load = connection.newBulkLoad('animes_staging', { keepNulls: true }, (error) =>
    error ? answer.reject(error) : answer.resolve(),
  )
  for (const [column, length] of Object.entries(stagingColumns)) {
    load.addColumn(column, TYPES.NVarChar, { nullable: true, length: length ?? Infinity })
  }
  connection.execBulkLoad(load, staged(name, rows))
  return answer.promise
}

/** Rows as the procedure reads them: every value a text, genres as a list of quoted names. */
function* staged(name: string, rows: BatchRow[]): Generator<(string | null)[]> {
  const text = (value: number | null) => (value === null ? null : String(value))
  for (const { source_id, title, type, year, score, episodes, genres } of rows) {
    yield [
      name,
      String(source_id),
      title,
      type,
      text(year),
      text(score),
      text(episodes),
      pythonList(genres),
    ]
  }
}

/** JSON escapes control characters and Python's literals keep them: only quotes and backslashes go. */
function pythonList(json: string): string {
  if (!json.includes('\\')) return json
  const names = JSON.parse(json) as string[]
  return `[${names.map((name) => `"${name.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}]`
}
