import { pipeline } from 'node:stream/promises'
import { type ColumnName, columnNames, sourceId } from '../../catalogue/columns.ts'
import { OutcomeUnknown } from '../dialects/dialect.ts'
import { ImportError } from './errors.ts'
import type { FileColumns, NaturalColumn } from './file-columns.ts'
import type { BatchRow } from './mapping.ts'
import { openCatalogue, type ReadOptions } from './read.ts'
import type { BatchParser, Reject } from './rows.ts'
import type { Chunks } from './unpack.ts'

export { ImportError } from './errors.ts'
export type { BatchRow } from './mapping.ts'
export type { Reject } from './rows.ts'

export interface ImportSummary {
  read: number
  added: number
  changed: number
  unchanged: number
  removed: number
  rejected: number
}

export interface ImportOptions extends ReadOptions {
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
  /** What it throws ends the import, as do those below. */
  onReject?: (reject: Reject) => void
  /** Called with what is to be known of the file: its columns, its encoding. */
  onNote?: (note: string) => void
  /** Called after each batch with the rows read so far. */
  onProgress?: (rows: number) => void
  /** Called when every row has been read and the last rejected, before the commit. */
  onRead?: () => void
}

/** How the rows of a file are brought together with the titles that are there. */
export interface StageOptions {
  replace: boolean
  dryRun: boolean
  /** The columns that the file has; the others are not touched. */
  given: ColumnName[]
  /** Whether the file has the ids of its source. */
  hasSourceIds: boolean
  /** The columns that identify the title of a row without such an id. */
  natural: NaturalColumn[]
}

/** A row left out, and why. */
export interface LeftOut {
  row: Pick<BatchRow, 'line' | 'title' | 'source_id'>
  reason: string
}

/** The database's side of an import: one transaction from `open` to `finish` or `abort`. */
export interface Stage {
  /** How many titles there were when the transaction began. */
  readonly existing: number
  /**
   * Takes a batch and gives the rows left out: an earlier row is the same title, or several titles could
   * be meant. It is called again before it has answered; batches are loaded in the order of the calls.
   */
  load: (rows: BatchRow[]) => Promise<LeftOut[]>
  /** Gives the rows left out that are known only when all are loaded. */
  settle?: () => Promise<LeftOut[]>
  /** Applies what was loaded, writes the outbox row `*` when anything changed, and commits. */
  finish: () => Promise<Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>>
  /**
   * Rolls back and lets go of the database; what is under way rejects. May be called twice. When
   * the commit has begun it waits for that instead, and `finish` resolves.
   */
  abort: () => Promise<void>
}

export type OpenStage = (options: StageOptions) => Promise<Stage>

/**
 * Streams a catalogue, in whatever of the known formats, into the database in bounded memory and one
 * transaction. Rows that cannot be taken go to `onReject`, the rest goes on.
 * @throws ImportError when nothing was done: no text, no title, no usable row, a row without end,
 * a database held by another process, an abort by `signal`
 */
export async function importCatalogue(
  source: Chunks,
  openStage: OpenStage,
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { replace = false, dryRun = false, signal, onRead = () => {} } = options
  const summary = { read: 0, added: 0, changed: 0, unchanged: 0, removed: 0, rejected: 0 }
  const catalogue = await openCatalogue(source, options)
  for (const note of catalogue.found.notes) options.onNote?.(note)
  const stage = await openStage({ replace, dryRun, ...stageColumns(catalogue.found) })
  const abort = () => void stage.abort()
  signal?.addEventListener('abort', abort)
  try {
    signal?.throwIfAborted()
    if (options.onlyIfEmpty && stage.existing > 0) {
      await stage.abort()
      return summary
    }
    await loadRows(catalogue, stage, summary, options)
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

const stageColumns = ({ positions, natural }: FileColumns) => ({
  given: columnNames.filter((name) => positions[name] !== undefined),
  hasSourceIds: positions.source_id !== undefined,
  natural,
})

async function loadRows(
  { text, parser }: Awaited<ReturnType<typeof openCatalogue>>,
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
  const { stream, rest } = parser({ size: batch, onRow: () => summary.read++, reject })
  await pipeline(
    text,
    stream,
    async (rows: AsyncIterable<BatchRow[]>) => {
      for await (const left of loaded(rows, rest, stage)) {
        for (const each of left) reject(rejectOf(each))
        onProgress(summary.read)
      }
    },
    { signal },
  )
  for (const each of (await stage.settle?.()) ?? []) reject(rejectOf(each))
  if (summary.read === 0) throw new ImportError('the file has no rows under its header')
  if (summary.read === summary.rejected && first !== undefined) {
    throw new ImportError(`all ${summary.read} rows were rejected; ${inOneLine(first)}`)
  }
}

/** A rejected row in one line. */
export function inOneLine({ line, column, reason, value }: Reject): string {
  const text = JSON.stringify(value.slice(0, 60))
  return `line ${line}: ${column === '' ? '' : `${column}: `}${reason}: ${text}`
}

/** Loads every batch, one ahead of the answers, so that the database never waits for the parser. */
async function* loaded(
  batches: AsyncIterable<BatchRow[]>,
  rest: BatchParser['rest'],
  stage: Stage,
): AsyncGenerator<LeftOut[]> {
  let last: Promise<LeftOut[]> | undefined
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

const rejectOf = ({ row: { line, source_id, title }, reason }: LeftOut): Reject => ({
  line,
  column: source_id === null ? 'title' : sourceId.file,
  reason,
  value: source_id === null ? title : String(source_id),
})
