import { type AnimeRow, fileNames, isList, type StagedRow } from './columns.ts'
import { exportedId } from './names.ts'

/** A title with everything that a file may have of it. */
export type FileRow = AnimeRow & StagedRow
export type FileColumn = keyof FileRow

/** How titles are written to files; an import of them changes nothing. */
export interface FileFormat {
  mediaType: string
  /** What stands before the first row, between two, and after the last. */
  head: (names: readonly FileColumn[]) => string
  separator: string
  tail: string
  row: (row: Partial<FileRow>, names: readonly FileColumn[]) => string
}

/** The id of a title here is no id of its source, so it has a name of its own. */
const nameOf = (name: FileColumn) => (name === 'id' ? exportedId : fileNames[name])

/** RFC 4180, 2: quoted where it has to be; nothing else is changed, or an import would not give it back. */
function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return ''
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const object = (row: Partial<FileRow>, names: readonly FileColumn[]) =>
  `{${names
    .map((name) => {
      const value = row[name] ?? null
      // Lists are JSON already.
      return `${JSON.stringify(nameOf(name))}:${isList(name) ? value : JSON.stringify(value)}`
    })
    .join()}}`

export const fileFormats = {
  csv: {
    mediaType: 'text/csv; charset=utf-8; header=present',
    head: (names) => `${names.map(nameOf).join()}\r\n`,
    separator: '',
    tail: '',
    row: (row, names) => `${names.map((name) => cell(row[name])).join()}\r\n`,
  },
  ndjson: {
    mediaType: 'application/x-ndjson; charset=utf-8',
    head: () => '',
    separator: '',
    tail: '',
    row: (row, names) => `${object(row, names)}\n`,
  },
  json: {
    mediaType: 'application/json; charset=utf-8',
    head: () => '[\n',
    separator: ',\n',
    tail: '\n]\n',
    row: object,
  },
} as const satisfies Record<string, FileFormat>

export type FormatName = keyof typeof fileFormats

/** All rows as one text. */
export function renderFile(
  format: FileFormat,
  rows: readonly Partial<FileRow>[],
  names: readonly FileColumn[],
): string {
  const texts = rows.map((row) => format.row(row, names))
  return format.head(names) + texts.join(format.separator) + format.tail
}
