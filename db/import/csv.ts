import type { Transform } from 'node:stream'
import { type CsvError, type Options, parse } from 'csv-parse'
import { ImportError } from './errors.ts'
import type { CsvFormat } from './format.ts'
import { maxRecordSize, type Reject, type RowHandlers } from './rows.ts'

/** What csv-parse cannot read: one row, or all rows from there on, since the end of the broken one is unknown. */
const brokenRow = new Map<string, string>([
  ['CSV_RECORD_INCONSISTENT_FIELDS_LENGTH', 'not as many fields as the header'],
  ['CSV_INVALID_CLOSING_QUOTE', 'text after a closing quote'],
  ['INVALID_OPENING_QUOTE', 'a quote inside a field that does not begin with one'],
])
const brokenFile = new Map<string, string>([
  ['CSV_QUOTE_NOT_CLOSED', 'a quote is never closed'],
  ['CSV_MAX_RECORD_SIZE', 'a row is longer than 1 MiB (a quote never closed?)'],
])

/** Where a parser takes over: its header was read before. */
export interface TakenOver {
  header: readonly string[]
  /** The line on which the next record begins. */
  line: number
}

/**
 * csv-parse, as a stream that gives nothing but calls `take`: this spares a stream event a row, which would
 * cost as much as parsing it.
 * @throws ImportError (as the stream's error) where the rows that follow cannot be separated
 */
export function csvParser(
  format: CsvFormat,
  handlers: Pick<RowHandlers, 'onRow' | 'reject'>,
  take: (record: string[], line: number) => void,
  from?: TakenOver,
): Transform {
  let header: readonly string[] | undefined
  // A header of its own then stands in the first line, which is none of the file's.
  const lines = lineCounter(from === undefined ? 0 : from.line - 2)
  const takeBroken = brokenRows(lines, (rejected, column, fields) => {
    if (header === undefined) throw new ImportError(`the header: ${rejected.reason}`)
    handlers.onRow()
    const counted = fields === undefined ? '' : `: ${fields}, not ${header.length}`
    handlers.reject({
      ...rejected,
      reason: rejected.reason + counted,
      column: header[column]?.trim() ?? '',
    })
  })
  const onRecord: OnRecord = (record, counted) => {
    const line = lines.endOf(record, counted)
    if (header !== undefined) take(record, line)
    header ??= from?.header ?? record
  }
  const stream = parse(optionsOf(format, onRecord, false))
  stream.on('skip', takeBroken)
  // Who writes is told.
  stream.on('error', () => {})
  if (from !== undefined) stream.write(`${from.header.map(() => 'x').join(format.delimiter)}\n`)
  return stream
}

type OnRecord = (record: string[], lines: number) => void

function optionsOf(
  { delimiter, lineEnds, headerLine = 1, blanksBeforeQuotes = false }: CsvFormat,
  onRecord: OnRecord,
  isSample: boolean,
): Options {
  const options = {
    bom: true,
    delimiter,
    // Named, since csv-parse would otherwise take the first kind it meets for the only one.
    record_delimiter: lineEnds,
    from_line: headerLine,
    ltrim: blanksBeforeQuotes,
    skip_empty_lines: true,
    skip_records_with_error: !isSample,
    max_record_size: maxRecordSize,
    on_record: (record: string[], { lines }: { lines: number }) => {
      onRecord(record, lines)
      return null
    },
    relax_quotes: isSample,
    relax_column_count: isSample,
    to: isSample ? sampleSize : -1,
  }
  // csv-parse's types let on_record give nothing but a record.
  return options as unknown as Options
}

const sampleSize = 500

/** The header and the first rows of a text that may be cut anywhere. */
export function sampleCsv(
  head: string,
  whole: boolean,
  format: CsvFormat,
): { header: string[]; sample: string[][] } {
  const records: string[][] = []
  const keep: OnRecord = (record) => void records.push(record)
  // It parses at once what is written.
  const parser = parse(optionsOf(format, keep, true))
  // A quote may be closed after the cut. If it never is, the parser of the whole file reports it.
  parser.on('error', () => {})
  // Until it ends, csv-parse keeps back what may be half a delimiter; empty lines are none of a row.
  parser.write(whole ? head + format.lineEnds.at(-1)!.repeat(8) : head)
  parser.destroy()
  const [header = [], ...sample] = records
  return { header, sample }
}

/** csv-parse counts a CRLF inside quotes as two lines; this gives the lines an editor shows. */
function lineCounter(before: number) {
  let previous = 0
  let extra = -before
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

/** csv-parse reports each bad quote; a row is rejected once, and so is each line it swallows. */
function brokenRows(
  lines: ReturnType<typeof lineCounter>,
  reject: (rejected: Omit<Reject, 'column'>, column: number, fields?: number) => void,
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
    const rejected = { line, reason, value: fields?.join() ?? '' }
    if (fields === undefined) reject(rejected, Number(column))
    else reject(rejected, -1, fields.length)
  }
}
