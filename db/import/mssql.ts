import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { type Connection, Request, TYPES } from 'tedious'
import {
  type Column,
  column,
  columnNames,
  isNullable,
  sourceId,
  stagedColumns,
} from '../../catalogue/columns.ts'
import { maxSortTitle, sortTitle } from '../../catalogue/words.ts'
import { OutcomeUnknown } from '../dialects/dialect.ts'
import { appLock, lockWords } from '../dialects/mssql.ts'
import {
  authenticationOf,
  closeConnection,
  MssqlConnection,
  openConnection,
} from '../dialects/mssql-connection.ts'
import { execute, isClosed } from '../dialects/mssql-request.ts'
import type { MssqlSettings } from '../dialects/mssql-url.ts'
import { mssqlReads } from '../reads/mssql-dialect.ts'
import { textOf } from '../reads/sql.ts'
import { applyQueue } from '../search/queue.ts'
import type { RunSql } from '../search/rows.ts'
import { ImportError } from './errors.ts'
import type { BatchRow, ImportSummary, LeftOut, OpenStage, Stage, StageOptions } from './import.ts'
import { earlierRow, severalTitles } from './left-out.ts'

type Counts = Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>

/** Milliseconds to wait for another import. */
const lockTimeout = 10_000

/**
 * Imports into SQL Server on a connection of its own: a bulk load (TDS, MS-TDS 2.2.6.1) into
 * `animes_clean`, then the procedure `merge_animes`, all in one transaction.
 */
export function mssqlStage(settings: MssqlSettings): OpenStage {
  return async (options) => {
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
      return stageOf(connection, rows[0]!.titles, options)
    } catch (error) {
      await closeConnection(connection)
      throw error
    }
  }
}

function stageOf(
  connection: Connection,
  existing: number,
  { replace, dryRun, given, hasSourceIds, natural }: StageOptions,
): Stage {
  const name = randomUUID()
  const isFirst = firstOfEach()
  let committing: Promise<void> | undefined
  let aborted = false
  let loading: BulkLoading | undefined
  let unnamed = false

  /** Finds the titles of the rows without a `source_id`. */
  async function settle(): Promise<LeftOut[]> {
    await loading?.end()
    if (!unnamed) return []
    const { rows } = await execute<{ line: number; title: string; several: boolean }>(
      connection,
      (done) => {
        const request = new Request('identify_animes', done)
        request.addParameter('batch', TYPES.NVarChar, name)
        request.addParameter('by_type', TYPES.Bit, natural.includes('type'))
        request.addParameter('by_year', TYPES.Bit, natural.includes('year'))
        request.addParameter('sourceless', TYPES.Bit, hasSourceIds)
        return request
      },
      'callProcedure',
    )
    return rows.map(({ line, title, several }) => ({
      row: { line, title, source_id: null },
      reason: several ? severalTitles(natural) : earlierRow(natural),
    }))
  }

  async function finish(): Promise<Counts> {
    // Before any row is locked, as every write does it.
    await batch(connection, lockWords)
    const { rows } = await execute<Counts>(
      connection,
      (done) => {
        const request = new Request('merge_animes', done)
        request.addParameter('batch', TYPES.NVarChar, name)
        request.addParameter('replace', TYPES.Bit, replace)
        request.addParameter('given', TYPES.NVarChar, `,${given},`)
        return request
      },
      'callProcedure',
    )
    const { added, changed, unchanged, removed } = rows[0]!
    await applyQueue(runOnConnection(connection), { isAlone: true })
    if (aborted) throw new Error('aborted')
    const keep = !dryRun && added + changed + removed > 0
    committing = transaction((done) =>
      keep ? connection.commitTransaction(done) : connection.rollbackTransaction(done),
    )
    await committing.catch((error) => {
      if (!keep || !isClosed(connection)) throw error
      throw new OutcomeUnknown(
        'the server was lost during the commit: all was imported, or nothing',
      )
    })
    await closeConnection(connection)
    return { added, changed, unchanged, removed }
  }

  return {
    existing,
    load: async (rows) => {
      const fresh: BatchRow[] = []
      const left: LeftOut[] = []
      for (const row of rows) {
        if (row.source_id === null) unnamed = true
        if (row.source_id === null || isFirst(row.source_id)) fresh.push(row)
        else left.push({ row, reason: earlierRow([sourceId.file]) })
      }
      loading ??= bulkLoad(connection, name)
      await loading.write(fresh)
      return left
    },
    settle,
    finish,
    abort: async () => {
      aborted = true
      await committing?.catch(() => {})
      // The server rolls back what the end of the connection leaves open.
      await closeConnection(connection)
    },
  }
}

/** Whether an id comes for the first time: a bit for each id, in pages of 1 KiB. */
function firstOfEach(): (id: number) => boolean {
  const pages = new Map<number, Uint8Array>()
  return (id) => {
    const at = Math.floor(id / 8192)
    let page = pages.get(at)
    if (page === undefined) {
      page = new Uint8Array(1024)
      pages.set(at, page)
    }
    const byte = (id % 8192) >> 3
    const bit = 1 << (id & 7)
    if ((page[byte]! & bit) !== 0) return false
    page[byte]! |= bit
    return true
  }
}

async function lockOut(connection: Connection): Promise<void> {
  const { rows } = await batch<{ held: number }>(
    connection,
    `${appLock('import_animes', lockTimeout)}
     select @held as held`,
  )
  if (rows[0]!.held < 0) throw new ImportError('another process holds the database')
}

function runOnConnection(connection: Connection): RunSql {
  const wrapped = new MssqlConnection(connection)
  return async (statement) => {
    const text = textOf(statement, mssqlReads.placeholder)
    return (await wrapped.arrays({ sql: text, parameters: statement.values })) as never
  }
}

const batch = <R>(connection: Connection, sql: string) =>
  execute<R>(connection, (done) => new Request(sql, done), 'execSqlBatch')

function transaction(send: (done: (error?: Error | null) => void) => void): Promise<void> {
  const answer = Promise.withResolvers<void>()
  send((error) => (error ? answer.reject(error) : answer.resolve()))
  return answer.promise
}

interface BulkLoading {
  /** Settles when the batch is on its way and the next may come. */
  write: (rows: BatchRow[]) => Promise<void>
  /** Settles when the server has taken every row. */
  end: () => Promise<void>
}

/** One bulk load for all batches; what ends it early rejects whatever waits for it. */
function bulkLoad(connection: Connection, name: string): BulkLoading {
  const batches = new PassThrough({ objectMode: true, highWaterMark: 1 })
  // `loaded` rejects with its errors.
  batches.on('error', () => {})
  const { promise: loaded, resolve, reject } = Promise.withResolvers<void>()
  loaded.catch(() => {})
  const load = connection.newBulkLoad('animes_clean', { keepNulls: true }, (error) =>
    error ? reject(error) : resolve(),
  )
  load.addColumn('batch', TYPES.NVarChar, { nullable: false, length: 64 })
  for (const name of ['exported_id', 'line', 'source_id']) {
    load.addColumn(name, TYPES.Int, { nullable: true })
  }
  for (const name of columnNames) {
    const { type, ...options } = typeOf(column(name))
    load.addColumn(name, type, { nullable: isNullable(name), ...options })
  }
  load.addColumn('genre_names', TYPES.NVarChar, {
    nullable: false,
    length: Number.POSITIVE_INFINITY,
  })
  load.addColumn('sort_title', TYPES.NVarChar, { nullable: true, length: maxSortTitle })
  if (isClosed(connection)) reject(new Error('the connection was closed'))
  else connection.execBulkLoad(load, staged(name, batches))
  return {
    async write(rows) {
      const full = !batches.write(rows)
      if (full) await Promise.race([once(batches, 'drain'), loaded])
    },
    end() {
      batches.end()
      return loaded
    },
  }
}

/** The type of a column of `animes_clean`, as tedious wants it. */
function typeOf(facts: Column) {
  switch (facts.kind) {
    case 'integer':
      return { type: TYPES.Int }
    case 'decimal':
      return { type: TYPES.Float }
    case 'list':
      return { type: TYPES.NVarChar, length: Number.POSITIVE_INFINITY }
    case 'choice':
      return { type: TYPES.NVarChar, length: 16 }
    case 'text':
      return { type: TYPES.NVarChar, length: facts.maxLength }
  }
}

/** For `anime_genres`: SQL splits this text, since servers do not read all of JSON alike. */
const names = ({ genres }: BatchRow) => (JSON.parse(genres) as string[]).join('\uFFFD')

async function* staged(
  batch: string,
  batches: AsyncIterable<BatchRow[]>,
): AsyncGenerator<(string | number | null)[]> {
  for await (const rows of batches) {
    for (const row of rows) {
      const values = stagedColumns.map((name) => row[name])
      yield [batch, row.exported_id ?? null, row.line, ...values, names(row), sortTitle(row.title)]
    }
  }
}
