/** Takes a record: the fields that are needed, '' for the others, and the line on which it ends, from 1. */
export type OnRecord = (record: string[], line: number) => void

export interface CsvShape {
  /** One character. */
  delimiter: string
  /** How many fields a record has. */
  width: number
  /** Which of them are needed. */
  needed: readonly boolean[]
}

const bom = '\xef\xbb\xbf'
const notAscii = /[^\0-\x7f]/

const decoded = (bytes: string) =>
  notAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString() : bytes

/** Longest record that is read here. */
const longest = 65_536

const quoteCode = 34
const returnCode = 13
const newlineCode = 10

/** The record goes on after the text. */
const unfinished = -1
/** It is not as RFC 4180 has it, or has another number of fields. */
const odd = -2

/**
 * Reads the records of a CSV (RFC 4180, lines ending in CRLF or LF) as long as they are well-formed, at a
 * third of the cost of csv-parse: it looks for the next delimiter, not at each character, and leaves fields
 * that are not needed where they are. The function takes bytes of UTF-8 as Latin-1, which texts of one byte a
 * character are quickest as, piece by piece, each with what the last call left. It gives where it stopped;
 * `isOdd` says that this reader cannot read what follows.
 */
export function recordReader({ delimiter, width, needed }: CsvShape, onRecord: OnRecord) {
  const delimiterCode = delimiter.charCodeAt(0)
  let text = ''
  let line = 1
  // Where the next of each stands, looked for again when it is passed.
  const next = { delimiter: -1, newline: -1, quote: -1, return: -1 }

  const find = (what: string, from: number) => {
    const at = text.indexOf(what, from)
    return at === -1 ? text.length : at
  }

  function look(at: number): void {
    if (next.delimiter < at) next.delimiter = find(delimiter, at)
    if (next.newline < at) next.newline = find('\n', at)
    if (next.quote < at) next.quote = find('"', at)
    if (next.return < at) next.return = find('\r', at)
  }

  /** The end of the field, without quotes, at which `look` was called. */
  function endOfPlain(): number {
    const { newline } = next
    let end = Math.min(next.delimiter, newline)
    if (end === text.length) return unfinished
    if (end === newline && next.return === end - 1) end -= 1
    return next.quote < end || next.return < end ? odd : end
  }

  /** The place after the quote that closes the field which begins with one at `at`. */
  function endOfQuoted(at: number): number {
    for (let close = at + 1; ; close += 2) {
      close = find('"', close)
      if (close + 1 >= text.length) return unfinished
      if (text.charCodeAt(close + 1) !== quoteCode) return close + 1
    }
  }

  /** Reads the record at `start` and gives where the next one begins. */
  function read(start: number): number {
    const record: string[] = []
    let at = start
    let lines = 0
    for (;;) {
      look(at)
      const quoted = text.charCodeAt(at) === quoteCode
      const end = quoted ? endOfQuoted(at) : endOfPlain()
      if (end < 0) return end
      if (quoted && Math.min(next.newline, next.return) < end) {
        lines += text.slice(at, end).split(/\r\n|\n|\r/).length - 1
      }
      const isNeeded = needed[record.length]
      record.push(!isNeeded ? '' : decoded(quoted ? unquoted(at, end) : text.slice(at, end)))
      if (text.charCodeAt(end) === delimiterCode) {
        at = end + 1
        continue
      }
      const after = afterLine(end)
      if (after < 0) return after
      if (record.length !== width || after - start > longest) return odd
      onRecord(record, line + lines)
      line += lines + 1
      return after
    }
  }

  function unquoted(at: number, end: number): string {
    const value = text.slice(at + 1, end - 1)
    return value.includes('"') ? value.replaceAll('""', '"') : value
  }

  /** The place after the end of the line that begins at `end`. */
  function afterLine(end: number): number {
    const isReturn = text.charCodeAt(end) === returnCode
    const at = isReturn ? end + 1 : end
    if (at === text.length) return unfinished
    return text.charCodeAt(at) === newlineCode ? at + 1 : odd
  }

  return (given: string): { at: number; line: number; isOdd: boolean } => {
    text = given
    next.delimiter = next.newline = next.quote = next.return = -1
    let at = line === 1 && text.startsWith(bom) ? bom.length : 0
    let after = 0
    // Empty lines are passed over with the record that follows.
    let last = { at, line }
    while (at < text.length) {
      const code = text.charCodeAt(at)
      const isEmpty = code === newlineCode || code === returnCode
      after = isEmpty ? afterLine(at) : read(at)
      if (after < 0) break
      at = after
      if (isEmpty) line += 1
      else last = { at, line }
    }
    line = last.line
    return { ...last, isOdd: after === odd || text.length - last.at > longest }
  }
}
