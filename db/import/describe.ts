import { stagedColumns } from '../../catalogue/columns.ts'
import { RowError } from './cells.ts'
import { between, listed } from './file-columns.ts'
import { rowCleaner } from './mapping.ts'
import type { OpenCatalogue } from './read.ts'

const shownRows = 3

/** What an import would read: the header, what was taken for what, and the first rows, clean. */
export function describe({ found, sample }: OpenCatalogue): string {
  const { header, positions, natural, notes } = found
  const clean = rowCleaner(found)
  const columns = stagedColumns.map((name) => {
    const theirs = (positions[name] ?? []).map((at) => JSON.stringify(header[at]!.trim()))
    const ours = name === 'source_id' ? 'id' : name
    return `  ${ours.padEnd(9)} ${theirs.join(between(name)) || 'not there'}`
  })
  const rows = sample.slice(0, shownRows).map((record) => {
    try {
      const { line: _, ...row } = clean(record, 0)
      return `  ${JSON.stringify(row)}`
    } catch (error) {
      if (!(error instanceof RowError)) throw error
      return `  rejected: ${error.column}: ${error.message}: ${JSON.stringify(error.value)}`
    }
  })
  const known =
    positions.source_id === undefined ? [`a title is known by its ${natural.join(', ')}`] : []
  return [`header: ${listed(header)}`, ...columns, ...known, ...notes, 'rows:', ...rows].join('\n')
}
