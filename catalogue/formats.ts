import {
  type AnimeColumn,
  type AnimeRow,
  fileNames,
  isList,
  type StagedRow,
  stagedColumns,
} from './columns.ts'
import { exportedId } from './names.ts'
import { listHead, renderRows } from './render.ts'

/** A title with everything that a file may have of it. */
export type FileRow = AnimeRow & StagedRow
export type FileColumn = keyof FileRow

/** What an export has of each title. */
export const fileColumns: readonly FileColumn[] = ['id', ...stagedColumns]

/** How a list of titles is written. */
export interface ListFormat {
  head: (total: number, next: string | null, corrected?: string) => string
  rows: (rows: readonly Partial<FileRow>[]) => string
  /** What stands between two pieces of `rows`. */
  separator: string
  tail: string
}

export type ListFormatName = 'api' | 'csv' | 'ndjson' | 'json'

/** What `Accept` may ask for in a list, the default first. */
export const mediaTypes = {
  api: 'application/json',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const

/** The `Content-Type` of each format. */
export const contentTypes = {
  api: `${mediaTypes.api}; charset=utf-8`,
  csv: `${mediaTypes.csv}; charset=utf-8; header=present`,
  ndjson: `${mediaTypes.ndjson}; charset=utf-8`,
} as const

/** The API's JSON with total and cursor, or a file, whose import changes nothing. */
export function listFormat(
  name: ListFormatName = 'api',
  columns: readonly FileColumn[],
): ListFormat {
  const lines = (line: (row: Partial<FileRow>) => string, separator = '') => ({
    rows: (rows: readonly Partial<FileRow>[]) => rows.map(line).join(separator),
    separator,
  })
  const members = columns.map((column) => [column, `${JSON.stringify(nameOf(column))}:`] as const)
  const object = (row: Partial<FileRow>) =>
    `{${members.map(([column, member]) => member + jsonOf(row, column)).join()}}`
  switch (name) {
    case 'api':
      return {
        head: listHead,
        rows: (rows) => renderRows(rows as AnimeRow[], columns as readonly AnimeColumn[]),
        separator: ',',
        tail: ']}',
      }
    case 'csv':
      return {
        head: () => `${columns.map(nameOf).join()}\r\n`,
        tail: '',
        ...lines((row) => `${columns.map((column) => cell(row[column])).join()}\r\n`),
      }
    case 'ndjson':
      return { head: () => '', tail: '', ...lines((row) => `${object(row)}\n`) }
    case 'json':
      return { head: () => '[\n', tail: '\n]\n', ...lines(object, ',\n') }
  }
}

/** A title's id here is not its source's, and has a name of its own in files. */
const nameOf = (name: FileColumn) => (name === 'id' ? exportedId : fileNames[name])

/** RFC 4180, 2: quoted where it has to be; nothing else is changed, or an import would not give it back. */
function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return ''
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A value in JSON; lists are that already. */
const jsonOf = (row: Partial<FileRow>, name: FileColumn): string =>
  isList(name) ? (row[name] ?? '[]') : JSON.stringify(row[name] ?? null)
