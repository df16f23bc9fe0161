import {
  type ChoiceColumn,
  type Column,
  column,
  columnNames,
  type DecimalColumn,
  type IntegerColumn,
  type ListColumn,
  type StagedRow,
  sourceId,
  type TextColumn,
} from '../../catalogue/columns.ts'
import { ListError, type ListRules, readList, strictUnknown, unknownMark } from './lists.ts'
import { rewriterOf, type SpellingRules } from './spellings.ts'

/** Why a row cannot be taken: the file's column at fault, its text, and what was wrong with it. */
export class RowError extends Error {
  readonly column: string
  readonly value: string

  constructor(column: string, value: string, reason: string) {
    super(reason)
    this.column = column
    this.value = value
  }
}

/** How cells are read: as people write them, or by the letter; see docs/import.md. */
export type CellRules = SpellingRules & ListRules

/** Reads the text of a cell; throws RowError for one that cannot be taken. */
export type Clean = (text: string) => unknown

/** The cleaner of each column of a row. */
export function cleanersOf(rules: CellRules): Record<keyof StagedRow, Clean> {
  const cleaners = columnNames.map((name) => [name, cleanerOf(column(name), rules)] as const)
  return {
    source_id: (text) => cleanSourceId(text, rules),
    ...Object.fromEntries(cleaners),
  } as Record<keyof StagedRow, Clean>
}

function cleanerOf(facts: Column, rules: CellRules): Clean {
  const byLetter = rules.strict === true || rules.exact === true
  const read = valueReader(facts, rules)
  if (byLetter) return facts.kind === 'text' ? read : remember(read)
  const rewrite = rewriterOf(facts, rules)
  const lenient = (text: string) => {
    const rewritten = rewrite(text)
    try {
      return read(rewritten)
    } catch (error) {
      if (!(error instanceof RowError) || rewritten === text) throw error
      throw new RowError(error.column, text, error.message)
    }
  }
  return facts.kind === 'text' ? lenient : remember(lenient)
}

function valueReader(facts: Column, rules: CellRules): Clean {
  switch (facts.kind) {
    case 'text':
      return (text) => cleanText(facts, text, rules)
    case 'choice':
      return (text) => cleanChoice(facts, text)
    case 'integer':
      return (text) => cleanInteger(facts, text)
    case 'decimal':
      return (text) => cleanDecimal(facts, text)
    case 'list':
      return (text) => JSON.stringify(cleanList(facts, text, rules))
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
      if (text.length <= 500) values.set(ownText(text), value)
    }
    return value
  }
}

/** A text of its own: a part of another would keep that, a whole piece of the file. */
const ownText = (text: string) => Buffer.from(text, 'utf16le').toString('utf16le')

const wholeNumber = /^-?\d{1,10}(\.0+)?$/
const zero = /^0+(\.0+)?$/

function refuseBadText(file: string, text: string) {
  // The API takes none either: a server on PostgreSQL cannot keep it.
  if (text.includes('\0')) throw new RowError(file, text, 'has the character U+0000')
  // What a decoder writes for bytes that are not UTF-8.
  if (text.includes('\uFFFD')) {
    throw new RowError(file, text, 'not UTF-8 text (--encoding names what it is)')
  }
  if (!text.isWellFormed()) throw new RowError(file, text, 'has half a surrogate pair')
}

function cleanSourceId(text: string, { strict }: CellRules): number | null {
  const value = text.trim()
  const number = Number(value)
  const { minimum, maximum, file } = sourceId
  if (wholeNumber.test(value) && number >= minimum && number <= maximum) return number
  if (!strict && unknownMark.test(value)) return null
  throw new RowError(file, text, `not a whole number from ${minimum} to ${maximum}`)
}

function cleanText({ file, maxLength }: TextColumn, text: string, { exact }: CellRules): string {
  const value = exact ? text : text.trim()
  if (value === '' || (value === '?' && !exact)) throw new RowError(file, text, 'missing')
  if (value.length > maxLength) {
    throw new RowError(file, text, `longer than ${maxLength} characters`)
  }
  refuseBadText(file, text)
  return value
}

function cleanChoice(facts: ChoiceColumn, text: string): unknown {
  const value = text.trim().toUpperCase()
  if (strictUnknown.test(value)) return facts.unknown
  if (facts.choices.includes(value)) return value
  throw new RowError(facts.file, text, `not one of ${facts.choices.join(', ')}`)
}

function cleanInteger(facts: IntegerColumn, text: string): unknown {
  const value = text.trim()
  if (strictUnknown.test(value) || (facts.zeroIsUnknown && zero.test(value))) return facts.unknown
  const number = Number(value)
  const { minimum, maximum, file } = facts
  if (!wholeNumber.test(value) || number < minimum || number > maximum) {
    throw new RowError(file, text, `not a whole number from ${minimum} to ${maximum}`)
  }
  return number
}

function cleanDecimal({ file, minimum, maximum, ...facts }: DecimalColumn, text: string): unknown {
  const value = text.trim()
  if (strictUnknown.test(value)) return facts.unknown
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= minimum && number <= maximum)) {
    const more = /%$/.test(value) || number > maximum ? ' (--scale says what it is out of)' : ''
    throw new RowError(file, text, `not a number from ${minimum} to ${maximum}${more}`)
  }
  return Math.round(number * 100) / 100
}

/**
 * Reads a list of names; see lists.ts. Repeats go.
 * @throws RowError for anything else
 */
function cleanList({ file, maxLength, maxItems }: ListColumn, text: string, rules: CellRules) {
  refuseBadText(file, text)
  let read: string[]
  try {
    read = readList(text, rules)
  } catch (error) {
    if (!(error instanceof ListError)) throw error
    throw new RowError(file, text, error.message)
  }
  const mayBeDecoded = /[\\&]/.test(text)
  const names = new Set<string>()
  for (const each of read) {
    const name = each.trim()
    if (mayBeDecoded) refuseBadText(file, name)
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
