import { column, columnNames, type StagedRow, sourceId } from '../../catalogue/columns.ts'
import { type Clean, cleanersOf, RowError } from './cells.ts'
import type { Found } from './columns-found.ts'
import { unknownMark } from './lists.ts'

/** A cleaned row, and the id under which this service exported it. */
export type CleanRow = StagedRow & { exported_id?: number | null }

/**
 * The function that cleans the records of a file, whose columns are `found`. A column that the file does
 * not have is unknown.
 */
export function rowCleaner(found: Found): (record: readonly string[]) => CleanRow {
  const cleaners = cleanersOf(found.rules)
  const cells = ['source_id' as const, ...columnNames].map((name) => {
    const positions = found.positions[name] ?? []
    const cell = name === 'source_id' ? undefined : column(name)
    const isList = cell?.kind === 'list'
    const unknown = cell === undefined ? null : isList ? '[]' : cell.unknown
    return { name, unknown, clean: reader(cleaners[name], positions, unknown, isList) }
  })
  const placeholders = !found.rules.exact && found.positions.score !== undefined
  const { exportedAt } = found
  return (record) => {
    const row: Partial<Record<keyof StagedRow, unknown>> = {}
    try {
      for (const { name, clean } of cells) row[name] = clean(record)
    } catch (error) {
      throw named(error, found)
    }
    const clean = row as CleanRow
    if (placeholders) dropPlaceholder(clean, found)
    if (exportedAt !== undefined) clean.exported_id = Number(record[exportedAt]) || null
    return clean
  }
}

/** Reads one cell of a record, or the first of several that says something. */
function reader(
  clean: Clean,
  [first, ...others]: readonly number[],
  unknown: unknown,
  isList: boolean,
): (record: readonly string[]) => unknown {
  if (first === undefined) return () => unknown
  if (others.length === 0) return (record) => clean(record[first]!)
  const all = [first, ...others]
  if (isList) {
    return (record) => {
      const texts = all.map((at) => record[at]!).filter((text) => !unknownMark.test(text.trim()))
      return clean(texts.join('|'))
    }
  }
  return (record) => {
    const value = clean(record[first]!)
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
function named(error: unknown, { header, positions }: Found): unknown {
  if (!(error instanceof RowError)) return error
  const name = error.column === sourceId.file ? 'source_id' : (error.column as keyof StagedRow)
  const at = positions[name]?.[0]
  return new RowError(
    at === undefined ? error.column : header[at]!.trim(),
    error.value,
    error.message,
  )
}

/** Titles that have not aired come with a score of 10 that nobody gave. */
function dropPlaceholder(row: StagedRow, { positions }: Found): void {
  if (row.score !== 10) return
  const unknown = (name: 'year' | 'episodes') => positions[name] !== undefined && row[name] === null
  if (unknown('year') || unknown('episodes')) row.score = null
}
