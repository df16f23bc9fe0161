import { decodeHTML } from 'entities'

/** Why a text is no list of names. */
export class ListError extends Error {}

export interface ListRules {
  /**
   * As `import_animes` on SQL Server reads: a literal or one bare name, with no escapes but those of quotes and
   * backslashes.
   */
  strict?: boolean
  /** As an export was written: a JSON array, whose names are kept as they are. */
  exact?: boolean
  /** What stands between names that are not quoted; by default the first of | ; , / that there is. */
  separator?: string
  /** Blanks seem to separate the column's names, and no `separator` was given. */
  blanks?: boolean
}

/** What the files of the original have for an unknown value. */
export const strictUnknown = /^(\?|unknown|n\/a|none|null|nan)?$/i

/** What people write where they do not know a value. */
export const unknownMark =
  /^(\?+|[-–—]+|unknown|n\/?a|none|null|nan|nil|undefined|tb[acd]|not available|not (yet )?aired( yet)?|none found(, add some)?|add some|no data|desconocid[oa]|desconhecid[oa]|inconnu|unbekannt|sconosciuto|不明|未定|未知)?$/i

// One item: a quoted name, an object, or a bare name that goes on to the next comma. No two parts can take
// the same white space, so that a megabyte of it costs no more than any other text.
const item =
  /\s*(?:[ub]?'((?:[^'\\]|\\.)*)'|[ub]?"((?:[^"\\]|\\.)*)"|(\{[^{}]*\})|([^\s,'"{][^,]*))\s*/sy
const strictlyBracketed = /^(?:\[.*\]|\(.*\)|\{\s*['"][^:]*\})$/s
/** Also a set, and an array as PostgreSQL writes it. */
const bracketed = /^(?:\[.*\]|\(.*\)|\{[^:]*\})$/s
/** What splitting an empty text leaves. */
const onlyEmpty = /^(?:''|"")$/
const opensQuoted = /^['"]/

/**
 * Reads a list of names as catalogues have them: Python's and JSON's literals with every escape, objects
 * with a `name`, NumPy's print without commas, and bare names with a separator. Unknown is an empty list.
 * @throws ListError for what is none of these
 */
export function readList(text: string, rules: ListRules = {}): string[] {
  const trimmed = text.trim()
  if (rules.exact) return exactNames(trimmed)
  const isLiteral = (rules.strict ? strictlyBracketed : bracketed).test(trimmed)
  const inner = isLiteral ? trimmed.slice(1, -1).trim() : trimmed
  if (isUnknown(inner, rules)) return []
  if (rules.strict) return literalNames(inner, rules)
  if (isLiteral && onlyEmpty.test(inner)) return []
  if (isLiteral) return (jsonNames(trimmed) ?? literalNames(inner, rules)).map(decoded)
  if (inner.startsWith('[')) throw new ListError('not a list of names: it has no end')
  if (opensQuoted.test(inner)) return literalNames(inner, rules).map(decoded)
  return bareNames(decodeHTML(inner), rules)
}

const isUnknown = (text: string, { strict }: ListRules) =>
  (strict ? strictUnknown : unknownMark).test(text)

const decoded = (name: string) => (name.includes('&') ? decodeHTML(name) : name)

function exactNames(text: string): string[] {
  const names = text === '' ? [] : jsonNames(text)
  if (names === undefined) throw new ListError('not a JSON array of names')
  return names
}

const maybeJson = /^\[\s*(?:["{\]\d]|null)/
const pythonQuote = /[[,{:]\s*'/

/** The names of a JSON array of texts or of objects with a `name`; undefined for what is none. */
function jsonNames(text: string): string[] | undefined {
  // A failure costs as much as ten texts that are read.
  if (!maybeJson.test(text) || pythonQuote.test(text)) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  return value.filter((each) => each !== null).map(nameOf)
}

function nameOf(value: unknown): string {
  const name = typeof value === 'object' ? (value as { name?: unknown })?.name : value
  if (typeof name !== 'string' && typeof name !== 'number') {
    throw new ListError('an object of the list has no name')
  }
  return String(name)
}

/** What Python prints where no name has a quote or a backslash, the usual case. */
const plainList = /^'[^'\\]*'(?:, '[^'\\]*')*$/

function literalNames(inner: string, { strict = false }: ListRules): string[] {
  if (plainList.test(inner)) return inner.slice(1, -1).split("', '")
  if (strict && inner.replaceAll(/\\[\\'"]/g, '').includes('\\')) {
    throw new ListError('an escape other than of a quote or a backslash')
  }
  const names: string[] = []
  item.lastIndex = 0
  while (item.lastIndex < inner.length) {
    const match = item.exec(inner)
    if (match === null) throw new ListError('not a list of quoted names')
    const [, single, double, object, bare] = match
    const quoted = single ?? double
    if (strict && (object !== undefined || /['"]/.test(bare ?? ''))) {
      throw new ListError('not a list of quoted names')
    }
    if (object !== undefined) names.push(nameIn(object))
    else if (quoted !== undefined) names.push(unescaped(quoted))
    else names.push(strict ? bare!.replaceAll('\\\\', '\\') : bare!.trim())
    const next = inner[item.lastIndex] ?? ','
    if (next === ',') item.lastIndex += 1
    // NumPy prints its arrays without commas.
    else if (strict || !/['"{]/.test(next)) throw new ListError('not a list of quoted names')
  }
  return names
}

const nameKey = /['"]name['"]\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/s

function nameIn(object: string): string {
  const match = nameKey.exec(object)
  if (match === null) throw new ListError('an object of the list has no name')
  return unescaped(match[1] ?? match[2] ?? '')
}

const escapes =
  /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(\r\n|.))/gs
const simple: Record<string, string> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', "'": "'", '"': '"', '/': '/', '\n': '', '\r\n': '' },
}

/**
 * The text of a literal: Python's escapes (Language Reference, 2.5.1) and JSON's (RFC 8259, 7). What is no
 * escape keeps its backslash, as in Python.
 */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replaceAll(escapes, (all, short, long, byte, octal, other) => {
    const hex = short ?? long ?? byte
    if (hex === undefined && octal === undefined) {
      if (other === 'N' || other === 'u' || other === 'U' || other === 'x') {
        throw new ListError(`an escape that is not whole: ${all}`)
      }
      return simple[other] ?? all
    }
    const code = hex === undefined ? Number.parseInt(octal, 8) : Number.parseInt(hex, 16)
    if (code > 0x10ffff) throw new ListError(`an escape of no character: ${all}`)
    return code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code)
  })
}

const separators = [/\|/, /[;；]/, /[,，、]/, /\s[·•]\s|[\r\n]/, /\//]

/** Names without quotes; those that say nothing go, and ActionAction is Action. */
function bareNames(text: string, { separator, blanks = false }: ListRules): string[] {
  const between = separator ?? separators.find((each) => each.test(text))
  if (blanks && between === undefined && /\s/.test(text)) {
    throw new ListError('only blanks between the names: if that is so, --separator " " says it')
  }
  const parts = between === undefined ? [text] : text.split(between)
  return parts
    .map((part) => undoubled(part.trim()))
    .filter((name) => name !== '' && !unknownMark.test(name))
}

function undoubled(name: string): string {
  const half = name.slice(0, name.length / 2)
  return half.length >= 3 && name === half + half ? half : name
}

/** Whether the texts of a column are bare names with nothing but blanks between them. */
export function hasBlanksBetween(texts: readonly string[]): boolean {
  const isBare = (text: string) =>
    !/[[{"]/.test(text) && separators.every((each) => !each.test(text))
  return texts.every(isBare) && texts.some((text) => text.trim().split(/\s+/).length >= 5)
}
