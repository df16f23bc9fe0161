import { Transform, type TransformCallback } from 'node:stream'
import { csvParser } from './csv.ts'
import { type OnRecord, recordReader } from './csv-records.ts'
import type { FileColumns } from './file-columns.ts'
import type { CsvFormat } from './format.ts'
import type { BatchRow } from './mapping.ts'
import { type BatchParser, batches, type RowHandlers } from './rows.ts'

/**
 * A parser of CSV that gives clean rows in batches. Records are read by `recordReader` as long as they are
 * well-formed; from the first one on that is not, csv-parse reads all, and says what is wrong.
 * @throws ImportError (as the stream's error) where the rows that follow cannot be separated
 */
export function csvBatches(
  format: CsvFormat,
  found: FileColumns,
  handlers: RowHandlers,
): BatchParser {
  const { take, rest } = batches(handlers)
  const full: BatchRow[][] = []
  const onRecord: OnRecord = (record, line) => {
    const batch = take(record, line)
    if (batch !== null) full.push(batch)
  }
  const { write, end } = recordWriter(format, found, handlers, onRecord)
  const work = (stream: Transform, done: TransformCallback, step: Step) => {
    const pushed: Done = (error) => {
      for (const batch of full.splice(0)) stream.push(batch)
      done(error)
    }
    try {
      step(pushed)
    } catch (error) {
      done(error as Error)
    }
  }
  const stream = new Transform({
    readableObjectMode: true,
    // Two batches are in the database's hands already; more would only grow old.
    readableHighWaterMark: 1,
    transform(chunk: Buffer, _encoding, done) {
      work(this, done, (pushed) => write(chunk, pushed))
    },
    flush(done) {
      work(this, done, end)
    },
  })
  return { stream, rest }
}

type Done = (error?: Error | null) => void
type Step = (done: Done) => void

/** Whether `recordReader` can read it. */
const isPlain = ({ headerLine = 1, blanksBeforeQuotes = false, lineEnds }: CsvFormat) =>
  headerLine === 1 && !blanksBeforeQuotes && !lineEnds.includes('\r')

function recordWriter(
  format: CsvFormat,
  { header, positions, exportedAt }: FileColumns,
  handlers: RowHandlers,
  onRecord: OnRecord,
) {
  const needed = header.map((_, at) => at === exportedAt)
  for (const at of Object.values(positions).flat()) needed[at] = true
  let isHeader = true
  const read = recordReader(
    { delimiter: format.delimiter, width: header.length, needed },
    (record, line) => {
      if (!isHeader) onRecord(record, line)
      isHeader = false
    },
  )
  let left = ''
  let other = isPlain(format) ? undefined : csvParser(format, handlers, onRecord)

  /** From the record on at which `left` begins. */
  function leave(line: number, done: Done): void {
    other = csvParser(format, handlers, onRecord, isHeader ? undefined : { header, line })
    other.write(Buffer.from(left, 'latin1'), done)
  }

  function write(bytes: Buffer, done: Done): void {
    if (other !== undefined) {
      other.write(bytes, done)
      return
    }
    left += bytes.toString('latin1')
    const { at, line, isOdd } = read(left)
    left = left.slice(at)
    if (isOdd) leave(line, done)
    else done()
  }

  function end(done: Done): void {
    const finish: Done = (error) => {
      if (error || other === undefined) done(error)
      else other.end(done)
    }
    if (other !== undefined || left === '') {
      finish()
      return
    }
    // The last line may lack its end.
    const { at, line } = read(`${left}\n`)
    if (at > left.length) finish()
    else leave(line, finish)
  }

  return { write, end }
}
