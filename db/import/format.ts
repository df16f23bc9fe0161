import { ImportError } from './errors.ts'

/** The format of a file's records. */
export type Format =
  | { kind: 'csv'; delimiter: string; lineEnds: string[] }
  | { kind: 'json' }
  | { kind: 'ndjson' }

const delimiters = [',', ';', '\t', '|']

/** A CSV as the catalogue's own is. */
export const plainCsv: Format = { kind: 'csv', delimiter: ',', lineEnds: ['\r\n', '\n'] }

const refused: [RegExp, string][] = [
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file: fetch it with git lfs pull'],
  [/^<(!doctype html|html|head|body)\b/i, 'an HTML page, not a CSV (a page that asks to sign in?)'],
  [/^<\?xml/i, 'XML, not CSV or JSON'],
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
  const lineEnds = /\r(?!\n)/.test(text) && !text.includes('\n') ? ['\r'] : ['\r\n', '\n']
  return { kind: 'csv', delimiter: delimiterOf(text), lineEnds }
}

/** An object in the first line, whole, makes it NDJSON; the lone object of a JSON file has a list. */
function isNdjson(text: string): boolean {
  const [first = '', ...more] = text.split('\n', 2)
  try {
    const object: object = JSON.parse(first)
    return more.length > 0 || !Object.values(object).some(isListOfObjects)
  } catch {
    return false
  }
}

const isListOfObjects = (value: unknown) =>
  Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null

/** The delimiter that parts the header into the most fields. */
function delimiterOf(text: string): string {
  const counts = new Map(delimiters.map((each) => [each, 0]))
  let quoted = false
  for (const character of text) {
    if (character === '"') quoted = !quoted
    if (quoted) continue
    if (character === '\n' || character === '\r') break
    const count = counts.get(character)
    if (count !== undefined) counts.set(character, count + 1)
  }
  return delimiters.reduce((best, each) => (counts.get(each)! > counts.get(best)! ? each : best))
}
