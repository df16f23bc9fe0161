import { pipeline } from 'node:stream/promises'
import { sourceId } from '../../catalogue/columns.ts'
import { OutcomeUnknown } from '../dialects/dialect.ts'
import { type BatchParser, type BatchRow, batchParser, type Reject } from './csv.ts'
import { ImportError } from './errors.ts'

export type { BatchRow, Reject } from './csv.ts'
export { ImportError } from './errors.ts'

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
  /** Rows sent to the database at a time: a thousand would be sent in blocks that malloc does not give back. */
  batch?: number
  /** Rolls back, unless the commit has begun. */
  signal?: AbortSignal
  /** What it throws ends the import, as do the two below. */
  onReject?: (reject: Reject) => void
  /** Called after each batch with the rows read so far. */
  onProgress?: (rows: number) => void
  /** Called when every row has been read and the last rejected, before the commit. */
  onRead?: () => void
}

/** The database's side of an import: one transaction from `open` to `finish` or `abort`. */
export interface Stage {
  /** How many titles there were when the transaction began. */
  readonly existing: number
  /**
   * Takes a batch and gives the rows left out because an earlier one has their `source_id`. Is
   * called again before it has answered; batches count as loaded in the order of the calls.
   */
  load: (rows: BatchRow[]) => Promise<BatchRow[]>
  /** Applies what was loaded, writes the outbox row `*` when anything changed, and commits. */
  finish: () => Promise<Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>>
  /**
   * Rolls back and lets go of the database; what is under way rejects. May be called twice. When
   * the commit has begun it waits for that instead, and `finish` resolves.
   */
  abort: () => Promise<void>
}

export type OpenStage = (options: { replace: boolean; dryRun: boolean }) => Promise<Stage>

export type CsvSource = AsyncIterable<Buffer | string> | Iterable<Buffer | string>

/**
 * Streams a catalogue CSV (UTF-8, LF or CRLF, with or without BOM) into the database in constant
 * memory and one transaction. Rows that cannot be taken go to `onReject`, the rest goes on.
 * @throws ImportError when nothing was done: no usable header, no usable row, a row without end,
 * a database held by another process, an abort by `signal`
 */
export async function importCsv(
  source: CsvSource,
  openStage: OpenStage,
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { replace = false, dryRun = false, signal, onRead = () => {} } = options
  const summary = { read: 0, added: 0, changed: 0, unchanged: 0, removed: 0, rejected: 0 }
  const stage = await openStage({ replace, dryRun })
  const abort = () => void stage.abort()
  signal?.addEventListener('abort', abort)
  try {
    signal?.throwIfAborted()
    if (options.onlyIfEmpty && stage.existing > 0) {
      await stage.abort()
      return summary
    }
    await loadRows(source, stage, summary, options)
    onRead()
    return { ...summary, ...(await stage.finish()) }
  } catch (error) {
    await stage.abort()
    if (!signal?.aborted || error instanceof OutcomeUnknown) throw error
    throw new ImportError('stopped; nothing was changed')
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

async function loadRows(
  source: CsvSource,
  stage: Stage,
  summary: ImportSummary,
  { batch = 500, signal, onReject = () => {}, onProgress = () => {} }: ImportOptions,
) {
  let first: Reject | undefined
  const reject = (rejected: Reject) => {
    first ??= rejected
    summary.rejected += 1
    onReject(rejected)
  }
  const parser = batchParser(batch, () => summary.read++, reject)
  await pipeline(
    source,
    parser.stream,
    async (batches) => {
      for await (const left of loaded(batches, parser.rest, stage)) {
        for (const row of left) reject(repeated(row))
        onProgress(summary.read)
      }
    },
    { signal },
  )
  if (!parser.started()) throw new ImportError('the file is empty')
  if (summary.read === 0) throw new ImportError('the file has no rows under its header')
  if (summary.read === summary.rejected && first !== undefined) {
    throw new ImportError(`all ${summary.read} rows were rejected; ${told(first)}`)
  }
}

/** A rejected row in one line. */
function told({ line, column, reason, value }: Reject): string {
  const text = JSON.stringify(value.slice(0, 60))
  return `line ${line}: ${column === '' ? '' : `${column}: `}${reason}: ${text}`
}

/** Loads every batch, one ahead of the answers, so that the database never waits for the parser. */
async function* loaded(
  batches: AsyncIterable<BatchRow[]>,
  rest: BatchParser['rest'],
  stage: Stage,
): AsyncGenerator<BatchRow[]> {
  let last: Promise<BatchRow[]> | undefined
  const load = (batch: BatchRow[]) => {
    const answer = stage.load(batch)
    // Awaited a turn later: until then a failure must not count as unhandled.
    answer.catch(() => {})
    return answer
  }
  for await (const batch of batches) {
    const next = load(batch)
    if (last !== undefined) yield await last
    last = next
  }
  if (last !== undefined) yield await last
  if (rest().length > 0) yield await load(rest())
}

const repeated = ({ line, source_id }: BatchRow): Reject => ({
  line,
  column: sourceId.file,
  reason: `an earlier row has this ${sourceId.file}`,
  value: String(source_id),
})
