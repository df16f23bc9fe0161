import {
  type Column,
  column,
  type StagedRow,
  sourceId,
  stagedColumns,
} from '../../catalogue/columns.ts'
import { type Clean, cleanersOf, RowError } from './cells.ts'
import type { FileColumns } from './file-columns.ts'
import { unknownMark } from './lists.ts'

/** A cleaned row on its way to the database. */
export interface BatchRow extends StagedRow {
  /** The line of the file on which it ends, from 1, for the rejects file. */
  line: number
  /** The id under which this service exported it. */
  exported_id?: number | null
}

export type Cleaner = (record: readonly string[], line: number) => BatchRow

/**
 * The function that cleans the records of a file, whose columns are `found`. A column that the file does
 * not have is unknown.
 */
export function rowCleaner(found: FileColumns): Cleaner {
  const assemble = assembler(found)
  const placeholders = !found.rules.exact && found.positions.score !== undefined
  const { exportedAt } = found
  return (record, line) => {
    let row: BatchRow
    try {
      row = assemble(record, line)
    } catch (error) {
      throw named(error, found)
    }
    if (placeholders && row.score === 10) dropPlaceholder(row, found)
    if (exportedAt !== undefined) row.exported_id = Number(record[exportedAt]) || null
    return row
  }
}

/**
 * Makes a row of a record. It is compiled from the names in our own table, as rows are rendered: objects
 * then come with one shape, at once.
 */
function assembler({ positions, rules }: FileColumns): Cleaner {
  const cleaners = cleanersOf(rules)
  const parts = stagedColumns.map((name) => {
    const [first, ...others] = positions[name] ?? []
    const cell = name === 'source_id' ? undefined : column(name)
    const isList = cell?.kind === 'list'
    const unknown = cell === undefined ? null : isList ? '[]' : cell.unknown
    if (first === undefined) return { name, value: JSON.stringify(unknown), clean: undefined }
    if (others.length === 0)
      return { name, value: `${name}(record[${first}])`, clean: cleaners[name] }
    const all = [first, ...others]
    const clean = several(cleaners[name], all, cell?.kind, unknown)
    return { name, value: `${name}(record)`, clean }
  })
  const members = parts.map(({ name, value }) => `${name}: ${value}`)
  const make = new Function(
    ...stagedColumns,
    `return (record, line) => ({ line, ${members.join(', ')} })`,
  )
  return make(...parts.map(({ clean }) => clean))
}

type CleanSome = (record: readonly string[]) => unknown

function several(
  clean: Clean,
  positions: number[],
  kind: Column['kind'] | undefined,
  unknown: unknown,
): CleanSome {
  if (kind === 'list') return joined(clean, positions)
  return kind === 'text' ? firstText(clean, positions) : firstKnown(clean, positions, unknown)
}

/** Reads the first of several texts that says something. */
const firstText =
  (clean: Clean, positions: number[]): CleanSome =>
  (record) => {
    const at = positions.find((each) => !unknownMark.test(record[each]!.trim()))
    return clean(record[at ?? positions[0]!]!)
  }

/** Reads one list from several cells. */
const joined =
  (clean: Clean, positions: number[]): CleanSome =>
  (record) => {
    const texts = positions.map((at) => record[at]!)
    return clean(texts.filter((text) => !unknownMark.test(text.trim())).join('|'))
  }

/** Reads the first of several cells that says something; only the first may be refused. */
function firstKnown(clean: Clean, [first, ...others]: number[], unknown: unknown): CleanSome {
  return (record) => {
    const value = clean(record[first!]!)
    return value === unknown ? fallback(clean, others, record, unknown) : value
  }
}

function fallback(clean: Clean, positions: number[], record: readonly string[], unknown: unknown) {
  for (const at of positions) {
    try {
      const value = clean(record[at]!)
      if (value !== unknown) return value
    } catch (error) {
      if (!(error instanceof RowError)) throw error
    }
  }
  return unknown
}

/** Names the column as the file does. */
function named(error: unknown, { header, positions }: FileColumns): unknown {
  if (!(error instanceof RowError)) return error
  const name = error.column === sourceId.file ? 'source_id' : (error.column as keyof StagedRow)
  const at = positions[name]?.[0]
  return new RowError(
    at === undefined ? error.column : header[at]!.trim(),
    error.value,
    error.message,
  )
}

/** Files have a score of 10, without any vote, for titles that have not aired. */
function dropPlaceholder(row: StagedRow, { positions }: FileColumns): void {
  const unknown = (name: 'year' | 'episodes') => positions[name] !== undefined && row[name] === null
  if (unknown('year') || unknown('episodes')) row.score = null
}
