import { columnNames, fileNames, stagedColumns } from '../../catalogue/columns.ts'
import { exportedId } from '../../catalogue/names.ts'
import type { CellRules } from './cells.ts'
import { ColumnSearch } from './column-search.ts'
import { ImportError } from './errors.ts'
import {
  type ColumnOptions,
  type FileColumns,
  listed,
  naturalKey,
  type Positions,
} from './file-columns.ts'

/**
 * Finds the columns of a file by the names in its header, and where a name may mean several things, by the
 * values of a sample of its rows.
 * @throws ImportError when there is no title, when two columns could be one of ours, and for a `map` or
 * `key` that names what is not there
 */
export function findColumns(
  header: readonly string[],
  sample: readonly (readonly string[])[],
  options: ColumnOptions = {},
): FileColumns {
  const { map = [], key, isJson = false, ...rules } = options
  if (rules.strict) return strictColumns(header, rules)
  const exportedAt = header.indexOf(exportedId)
  if (exportedAt !== -1 && map.length === 0) return exportColumns(header, exportedAt)
  const search = new ColumnSearch(header, sample, rules)
  for (const [ours, theirs] of map) search.map(ours, theirs)
  if (key !== undefined) search.takeKey(key)
  else if (search.positions.source_id === undefined) search.findKey(isJson)
  for (const name of columnNames) if (search.positions[name] === undefined) search.find(name)
  if (search.positions.title === undefined) throw new ImportError(search.noTitle())
  return search.found()
}

/** Every column by its own name, in any case and order: what `import_animes` on SQL Server takes. */
function strictColumns(header: readonly string[], rules: CellRules): FileColumns {
  const names = header.map((name) => name.trim().toLowerCase())
  const missing = stagedColumns
    .map((name) => fileNames[name])
    .filter((name) => !names.includes(name.toLowerCase()))
  if (missing.length > 0) {
    throw new ImportError(
      `the header has no column ${missing.join(', ')}; it has ${listed(header)} (--strict wants a CSV in UTF-8)`,
    )
  }
  const positions: Positions = {}
  for (const name of stagedColumns) {
    const at = names.indexOf(fileNames[name].toLowerCase())
    if (at !== names.lastIndexOf(fileNames[name].toLowerCase())) {
      throw new ImportError(`the column ${fileNames[name]} stands twice in the header`)
    }
    positions[name] = [at]
  }
  return { header, positions, natural: [], rules, notes: [] }
}

/** An export says by its first column that its cells are to be taken by the letter. */
function exportColumns(header: readonly string[], exportedAt: number): FileColumns {
  const positions: Positions = {}
  for (const name of stagedColumns) {
    const at = header.indexOf(fileNames[name])
    if (at !== -1) positions[name] = [at]
  }
  if (positions.title === undefined) throw new ImportError('the export has no title')
  const natural = naturalKey.filter((name) => positions[name] !== undefined)
  return { header, positions, natural, exportedAt, rules: { exact: true }, notes: [] }
}
