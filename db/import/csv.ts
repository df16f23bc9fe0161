import { type CsvError, type Options, type Parser, parse } from 'csv-parse'
import type { StagedRow } from '../../catalogue/columns.ts'
import { ImportError } from './errors.ts'
import { RowError, rowCleaner } from './mapping.ts'

/** A row on its way to the database, with its line for the rejects file. */
export type BatchRow = StagedRow & { line: number }

/** A row that was not taken. `line` is the line of the file on which it ends, from 1. */
export interface Reject {
  line: number
  /** The CSV column at fault; empty when it is the row as a whole. */
  column: string
  reason: string
  value: string
}

export interface BatchParser {
  /** Takes bytes or text, gives arrays of `size` rows. */
  readonly stream: Parser
  /** The rows, fewer than `size`, that are left when the stream has ended. */
  readonly rest: () => BatchRow[]
  /** Whether a header was found. */
  readonly started: () => boolean
}

const maxRecordSize = 1_048_576

/** What csv-parse cannot read: one row, or all that follows since nobody knows where it ends. */
const brokenRow = new Map<string, string>([
  ['CSV_RECORD_INCONSISTENT_FIELDS_LENGTH', 'not as many fields as the header'],
  ['CSV_INVALID_CLOSING_QUOTE', 'text after a closing quote'],
  ['INVALID_OPENING_QUOTE', 'a quote inside a field that does not begin with one'],
])
const brokenFile = new Map<string, string>([
  ['CSV_QUOTE_NOT_CLOSED', 'a quote is never closed'],
  ['CSV_MAX_RECORD_SIZE', 'a row is longer than 1 MiB (a quote never closed?)'],
])

/**
 * A CSV parser that gives clean rows in batches. Cleaning in `on_record` spares a stream event a
 * row, which would cost as much as parsing it.
 * @throws ImportError (as the stream's error) where the rows that follow cannot be told apart
 */
export function batchParser(
  size: number,
  onRow: () => void,
  reject: (rejected: Reject) => void,
): BatchParser {
  let header: string[] | undefined
  let clean: (record: readonly string[]) => StagedRow
  let batch: BatchRow[] = []
  const lines = lineCounter()
  const takeRow = (record: string[], line: number) => {
    onRow()
    try {
      const row = clean(record) as BatchRow
      row.line = line
      batch.push(row)
    } catch (error) {
      if (!(error instanceof RowError)) throw error
      reject({ line, column: error.column, reason: error.message, value: error.value })
    }
  }
  const takeBroken = brokenRows(lines, (rejected, column) => {
    if (header === undefined) throw new ImportError(`the header: ${rejected.reason}`)
    onRow()
    reject({ ...rejected, column: header[column] ?? '' })
  })
  const stream = batchStream((record, counted) => {
    const line = lines.endOf(record, counted)
    if (header === undefined) {
      clean = rowCleaner(record)
      header = record
      return null
    }
    takeRow(record, line)
    if (batch.length < size) return null
    const full = batch
    batch = []
    return full
  })
  stream.on('skip', takeBroken)
  return { stream, rest: () => batch, started: () => header !== undefined }
}

function batchStream(onRecord: (record: string[], lines: number) => BatchRow[] | null): Parser {
  const options = {
    bom: true,
    // Named, since csv-parse would otherwise take the first kind it meets for the only one.
    record_delimiter: ['\r\n', '\n'],
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: maxRecordSize,
    readableHighWaterMark: 2,
    on_record: (record: string[], { lines }: { lines: number }) => onRecord(record, lines),
  }
  // csv-parse's types let on_record give nothing but a record.
  return parse(options as unknown as Options)
}

/** csv-parse counts a CRLF inside quotes as two lines; this gives the lines an editor shows. */
function lineCounter() {
  let previous = 0
  let extra = 0
  return {
    endOf(record: string[], counted: number) {
      if (counted > previous + 1) {
        for (const field of record) extra += field.split('\r\n').length - 1
      }
      previous = counted
      return counted - extra
    },
    of: (counted: number) => counted - extra,
    afterLastRecord: () => previous - extra + 1,
  }
}

/** csv-parse tells of each bad quote; a row is rejected once, and so is each line it swallows. */
function brokenRows(
  lines: ReturnType<typeof lineCounter>,
  reject: (rejected: Omit<Reject, 'column'>, column: number) => void,
) {
  let last = { line: 0, field: -1, first: 0 }
  return ({ code, lines: counted, bytes, column, record }: CsvError) => {
    const line = lines.of(Number(counted))
    // `bytes` is where the last whole field ended: the same, when the same field goes on.
    const goesOn = bytes === last.field
    if (brokenFile.has(code)) {
      const from = goesOn ? last.first : lines.afterLastRecord()
      throw new ImportError(`from line ${from} on: ${brokenFile.get(code)}`)
    }
    if (line === last.line) return
    last = { line, field: Number(bytes), first: goesOn ? last.first : line }
    const reason = goesOn
      ? `swallowed by the bad quote of line ${last.first}`
      : (brokenRow.get(code) ?? code)
    const fields = Array.isArray(record) ? record : undefined
    reject({ line, reason, value: fields?.join() ?? '' }, fields ? -1 : Number(column))
  }
}
