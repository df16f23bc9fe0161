import { ImportError } from './errors.ts'

export interface CsvFormat {
  kind: 'csv'
  delimiter: string
  lineEnds: string[]
  /** The line on which the header begins, from 1. */
  headerLine?: number
  /** Blanks stand before quotes, as in `1, "A"`. */
  blanksBeforeQuotes?: boolean
}

/** The format of a file's records. */
export type Format = CsvFormat | { kind: 'json' } | { kind: 'ndjson' }

const delimiters = [',', ';', '\t', '|']

/** A CSV as the catalogue's own is. */
export const plainCsv: Format = { kind: 'csv', delimiter: ',', lineEnds: ['\r\n', '\n'] }

const refused: [RegExp, string][] = [
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file: fetch it with git lfs pull'],
  [/^<(!doctype html|html|head|body)\b/i, 'an HTML page, not a CSV (a page that asks to sign in?)'],
  [/^<(\?xml|[a-z][\w:]*[\s>])/i, 'XML, not CSV or JSON'],
]

/**
 * The format of a text that begins with `head`.
 * @throws ImportError for an empty file, and for what is known to be something else
 */
export function formatOf(head: string): Format {
  const text = head.replace(/^\uFEFF/, '').trimStart()
  if (text === '') throw new ImportError('the file is empty')
  const known = refused.find(([begins]) => begins.test(text))
  if (known !== undefined) throw new ImportError(`the file is ${known[1]}`)
  if (text.startsWith('[')) return { kind: 'json' }
  if (text.startsWith('{')) return { kind: isNdjson(text) ? 'ndjson' : 'json' }
  // A spreadsheet's own line before the header, which names the delimiter.
  const [line = '', , named] = /^("?)sep=(.)\1(?:\r\n?|\n)/i.exec(text) ?? []
  const header = firstLine(text.slice(line.length))
  return {
    kind: 'csv',
    delimiter: named ?? delimiterOf(header),
    lineEnds: lineEndsOf(text, line.length + header.length),
    ...(line === '' ? {} : { headerLine: 2 }),
    ...(/[,;|] +"/.test(header) ? { blanksBeforeQuotes: true } : {}),
  }
}

function lineEndsOf(text: string, end: number): string[] {
  const usual = ['\r\n', '\n']
  if (text[end] !== '\r' || text[end + 1] === '\n') return usual
  return text.includes('\n') ? [...usual, '\r'] : ['\r']
}

/** An object in the first line, whole, makes it NDJSON; the lone object of a JSON file has a list and no title. */
function isNdjson(text: string): boolean {
  const [first = ''] = text.split('\n', 1)
  try {
    const object: object = JSON.parse(first)
    if (text.slice(first.length).trim() !== '' || 'title' in object) return true
    return !Object.values(object).some(isListOfObjects)
  } catch {
    return false
  }
}

const isListOfObjects = (value: unknown) =>
  Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null

/** The text up to the first line end that is not in quotes. */
function firstLine(text: string): string {
  let quoted = false
  let end = 0
  for (const character of text) {
    if (character === '"') quoted = !quoted
    else if (!quoted && (character === '\n' || character === '\r')) break
    end += character.length
  }
  return text.slice(0, end)
}

/** The delimiter that parts the header into the most fields. */
function delimiterOf(header: string): string {
  const parts = header.replaceAll(/"[^"]*"?/g, '')
  const fields = (delimiter: string) => parts.split(delimiter).length
  return delimiters.reduce((best, each) => (fields(each) > fields(best) ? each : best))
}
