import {
  type ChoiceColumn,
  type Column,
  columnNames,
  columns,
  type DecimalColumn,
  fileNames,
  type IntegerColumn,
  type ListColumn,
  type StagedRow,
  sourceId,
  stagedColumns,
  type TextColumn,
} from '../../catalogue/columns.ts'
import { ImportError } from './errors.ts'
import { ListError, readList } from './lists.ts'

/** Why a row cannot be taken: the CSV column at fault, its text, and what was wrong with it. */
export class RowError extends Error {
  readonly column: string
  readonly value: string

  constructor(column: string, value: string, reason: string) {
    super(reason)
    this.column = column
    this.value = value
  }
}

/**
 * Reads a header line and gives the function that cleans the records under it. Columns are found
 * by name, in any order, whatever else stands between them.
 * @throws ImportError when one of `fileNames` is missing or stands twice
 */
export function rowCleaner(header: readonly string[]): (record: readonly string[]) => StagedRow {
  const names = header.map((name) => name.trim().toLowerCase())
  const positionOf = (column: string) => {
    const index = names.indexOf(column.toLowerCase())
    // A column taken for empty would wipe out what the database knows.
    if (index === -1) {
      throw new ImportError(`the header has no column ${column} (wants a CSV in UTF-8)`)
    }
    if (index !== names.lastIndexOf(column.toLowerCase())) {
      throw new ImportError(`the column ${column} stands twice in the header`)
    }
    return index
  }
  const cells = stagedColumns.map((name) => {
    return { name, clean: cleaners[name], position: positionOf(fileNames[name]) }
  })
  return (record) => {
    const row: Partial<Record<keyof StagedRow, unknown>> = {}
    for (const { name, clean, position } of cells) row[name] = clean(record[position]!)
    return withoutPlaceholders(row as StagedRow)
  }
}

/** Titles that have not aired come with a score of 10 that nobody gave. */
function withoutPlaceholders(row: StagedRow): StagedRow {
  if (row.score === 10 && (row.year === null || row.episodes === null)) row.score = null
  return row
}

type Clean = (text: string) => unknown

/** Reads the text of a cell as a value of its column; throws RowError for one that cannot be taken. */
function cleanerOf(facts: Column): Clean {
  switch (facts.kind) {
    case 'text':
      return (text) => cleanText(facts, text)
    case 'choice':
      return remember((text) => cleanChoice(facts, text))
    case 'integer':
      return remember((text) => cleanInteger(facts, text))
    case 'decimal':
      return remember((text) => cleanDecimal(facts, text))
    case 'list':
      return remember((text) => JSON.stringify(parseList(facts, text)))
  }
}

/**
 * Cleans each text once: most columns repeat a few thousand texts, however long the file. Bounded, and
 * a text that is refused is not kept.
 */
function remember(clean: Clean): Clean {
  const values = new Map<string, unknown>()
  return (text) => {
    let value = values.get(text)
    if (value === undefined) {
      value = clean(text)
      if (values.size >= 20_000) values.clear()
      if (text.length <= 500) values.set(text, value)
    }
    return value
  }
}

const unknown = /^(\?|unknown|n\/a|none|null|nan)?$/i
const wholeNumber = /^-?\d{1,10}(\.0+)?$/
const zero = /^0+(\.0+)?$/

function refuseBadText(file: string, text: string) {
  // The API takes none either: a server on PostgreSQL cannot keep it.
  if (text.includes('\0')) throw new RowError(file, text, 'has the character U+0000')
  // What a decoder writes for bytes that are not UTF-8.
function parseList({ file, maxLength, maxItems }: ListColumn, text: string): string[] {
  refuseBadText(file, text)
  let read: string[]
  try {
    read = readList(text)
  } catch (error) {
    if (!(error instanceof ListError)) throw error
    throw new RowError(file, text, error.message)
  }
  const names = new Set<string>()
  for (const each of read) {
    const name = each.trim()
    refuseBadText(file, name)
    if (name === '' || name.length > maxLength) {
      const reason = `a name is empty or longer than ${maxLength} characters`
      throw new RowError(file, text, reason)
}

function cleanSourceId(text: string): number {
  const value = text.trim()
  const number = Number(value)
  const { minimum, maximum, file } = sourceId
  if (!wholeNumber.test(value) || number < minimum || number > maximum) {
    throw new RowError(file, text, `not a whole number from ${minimum} to ${maximum}`)
  }
  return number
}

function cleanText({ file, maxLength }: TextColumn, text: string): string {
  const value = text.trim()
  if (value === '' || value === '?') throw new RowError(file, text, 'missing')
  if (value.length > maxLength) {
    throw new RowError(file, text, `longer than ${maxLength} characters`)
  }
  refuseBadText(file, text)
  return value
}

function cleanChoice(facts: ChoiceColumn, text: string): unknown {
  const value = text.trim().toUpperCase()
  if (unknown.test(value)) return facts.unknown
  if (facts.choices.includes(value)) return value
  throw new RowError(facts.file, text, `not one of ${facts.choices.join(', ')}`)
}

function cleanInteger(facts: IntegerColumn, text: string): unknown {
  const value = text.trim()
  if (unknown.test(value) || (facts.zeroIsUnknown && zero.test(value))) return facts.unknown
  const number = Number(value)
  const { minimum, maximum, file } = facts
  if (!wholeNumber.test(value) || number < minimum || number > maximum) {
    throw new RowError(file, text, `not a whole number from ${minimum} to ${maximum}`)
  }
  return number
}

function cleanDecimal({ file, minimum, maximum, ...facts }: DecimalColumn, text: string): unknown {
  const value = text.trim()
  if (unknown.test(value)) return facts.unknown
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= minimum && number <= maximum)) {
    throw new RowError(file, text, `not a number from ${minimum} to ${maximum}`)
  }
  return Math.round(number * 100) / 100
}

/**
 * Reads a list of names; see lists.ts. Repeats go.
 * @throws RowError for anything else
 */
function parseList({ file, maxLength, maxItems }: ListColumn, text: string): string[] {
  refuseBadText(file, text)
  let read: string[]
  try {
    read = readList(text)
  } catch (error) {
    if (!(error instanceof ListError)) throw error
    throw new RowError(file, text, error.message)
  }
  const names = new Set<string>()
  for (const each of read) {
    const name = each.trim()
    refuseBadText(file, name)
    if (name === '' || name.length > maxLength) {
      const reason = `a name is empty or longer than ${maxLength} characters`
      throw new RowError(file, text, reason)
    }
    names.add(name)
  }
  if (names.size > maxItems) {
    throw new RowError(file, text, `more than ${maxItems} names`)
  }
  return [...names]
}

const cleaners = {
  source_id: cleanSourceId,
  ...Object.fromEntries(columnNames.map((name) => [name, cleanerOf(columns[name])])),
} as Record<keyof StagedRow, Clean>
