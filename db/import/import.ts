import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { HeaderError, RowError, rowCleaner, type StagedRow } from './mapping.ts'

/** A row that was not taken. `line` is the line of the file on which it ends, from 1. */
export interface Reject {
  line: number
  column: string
  reason: string
  value: string
}

export interface ImportSummary {
  read: number
  added: number
  changed: number
  unchanged: number
  removed: number
  rejected: number
}

export interface ImportOptions {
  /** Remove every title that the file does not have. */
  replace?: boolean
  /** Do everything but commit. */
  dryRun?: boolean
  /** Do nothing when there are titles already. */
  onlyIfEmpty?: boolean
  /** Rows sent to the database at a time. */
  batch?: number
  onReject?: (reject: Reject) => void
  /** Called after each batch with the rows read so far. */
  onProgress?: (rows: number) => void
}

/** A row on its way to the database, with its line for the rejects file. */
export type BatchRow = StagedRow & { line: number }

/** The database's side of an import: one transaction from `open` to `finish` or `abort`. */
export interface Stage {
  /** How many titles there were when the transaction began. */
  readonly existing: number
  /** Takes a batch and gives the rows left out because an earlier one has their `source_id`. */
  load: (rows: BatchRow[]) => Promise<BatchRow[]>
  /** Applies what was loaded, writes the outbox row `*` when anything changed, and commits. */
  finish: () => Promise<Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>>
  abort: () => Promise<void>
}

export type OpenStage = (options: { replace: boolean; dryRun: boolean }) => Promise<Stage>

/** Nothing was done; `message` says why in one line. */
export class ImportError extends Error {}

const maxRecordBytes = 1_048_576

/**
 * Streams a catalogue CSV (UTF-8, LF or CRLF, with or without BOM) into the database in constant
 * memory and one transaction. Rows that cannot be taken go to `onReject`, the rest goes on.
 * @throws ImportError when nothing was done: no usable header, no usable row, broken quoting
 */
export async function importCsv(
  source: AsyncIterable<Buffer | string> | Iterable<Buffer | string>,
  openStage: OpenStage,
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { replace = false, dryRun = false, onReject = () => {}, onProgress = () => {} } = options
  const summary = { read: 0, added: 0, changed: 0, unchanged: 0, removed: 0, rejected: 0 }
  const reject = (rejected: Reject) => {
    summary.rejected += 1
    onReject(rejected)
  }
  const parser = batchParser(options.batch ?? 1000, () => summary.read++, reject)
  const stage = await openStage({ replace, dryRun })
  try {
    if (options.onlyIfEmpty && stage.existing > 0) {
      await stage.abort()
      return summary
    }
    await pipeline(source, parser.stream, parser.batches, async (batches) => {
      for await (const batch of batches as AsyncIterable<BatchRow[]>) {
        for (const row of await stage.load(batch)) reject(repeated(row))
        onProgress(summary.read)
      }
    })
    if (summary.read === summary.rejected) {
      throw new ImportError(
        summary.read === 0 ? 'the file has no rows' : `all ${summary.read} rows were rejected`,
      )
    }
    return { ...summary, ...(await stage.finish()), rejected: summary.rejected }
  } catch (error) {
    await stage.abort()
    throw explain(error)
  }
}

const repeated = ({ line, source_id }: BatchRow): Reject => ({
  line,
  column: 'animeID',
  reason: 'an earlier row has this animeID',
  value: String(source_id),
})

/** csv-parse, then cleaning, then batches: cleaning inside `on_record` spares a stream event a row. */
function batchParser(size: number, onRow: () => void, reject: (rejected: Reject) => void) {
  let clean: ((record: readonly string[]) => StagedRow) | undefined
  let batch: BatchRow[] = []
  const stream = parse({
    bom: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: maxRecordBytes,
    on_record: (record: string[], { lines }) => {
      if (clean === undefined) {
        clean = rowCleaner(record)
        return null
      }
      onRow()
      try {
        const row = clean(record) as BatchRow
        row.line = lines
        batch.push(row)
      } catch (error) {
        if (!(error instanceof RowError)) throw error
        const { column, message: reason, value } = error
        reject({ line: lines, column, reason, value })
      }
      if (batch.length < size) return null
      const full = batch
      batch = []
      return full
    },
  })
  stream.on('skip', ({ code, message, lines }) => {
    if (clean === undefined) throw new HeaderError(message)
    onRow()
    reject({ line: Number(lines ?? 0), column: '', reason: plain(code), value: '' })
  })
  const batches = new Transform({
    objectMode: true,
    readableHighWaterMark: 2,
    writableHighWaterMark: 2,
    transform: (full, _encoding, done) => done(null, full),
    flush: (done) => done(null, batch.length > 0 ? batch : undefined),
  })
  return { stream, batches }
}

const reasons: Record<string, string> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: 'not as many fields as the header',
  CSV_RECORD_INCONSISTENT_COLUMNS: 'not as many fields as the header',
  CSV_INVALID_CLOSING_QUOTE: 'text after a closing quote',
  INVALID_OPENING_QUOTE: 'a quote inside an unquoted field',
  CSV_QUOTE_NOT_CLOSED: 'a quote is never closed',
  CSV_MAX_RECORD_SIZE: `a record is longer than ${maxRecordBytes} bytes (a quote never closed?)`,
}

const plain = (code: string) => reasons[code] ?? code

function explain(error: unknown): unknown {
  if (error instanceof HeaderError) return new ImportError(error.message)
  const { code, lines } = error as { code?: string; lines?: number }
  if (code !== undefined && code in reasons) {
    return new ImportError(`line ${lines}: ${plain(code)}`)
  }
  return error
}
