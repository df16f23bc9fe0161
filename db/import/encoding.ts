import { isUtf8 } from 'node:buffer'
import { analyse } from 'chardet'
import { ImportError } from './errors.ts'

/** An encoding by its name in the Encoding Standard, and what to say of it. */
export interface Encoding {
  name: string
  note?: string
}

const utf8 = { name: 'utf-8' }

/** Encodings that chardet detects reliably. Other text that is not UTF-8 is read as windows-1252. */
const detectable = /^(GB18030|Big5|Shift_JIS|EUC-JP|EUC-KR|windows-1251|KOI8-R)$/

/**
 * The encoding of a text that begins with `head`: the one named, or by its BOM, its zero bytes, or what
 * the bytes can be.
 * @throws ImportError for a name that is none, and for bytes that are no text
 */
export function encodingOf(head: Buffer, named?: string): Encoding {
  if (named !== undefined) return { name: nameOf(named) }
  if (isUtf32(head)) throw new ImportError('the file is UTF-32: save it as UTF-8')
  if (head[0] === 0xff && head[1] === 0xfe) return { name: 'utf-16le' }
  if (head[0] === 0xfe && head[1] === 0xff) return { name: 'utf-16be' }
  const wide = wideEncoding(head)
  if (wide !== undefined) return withNote(wide)
  if (controls(head) > head.length / 50) throw new ImportError('the file is no text')
  if (isUtf8(withoutCutCharacter(head))) return utf8
  if (mostlyUtf8(head)) return utf8
  const [best] = analyse(head)
  const found = best !== undefined && best.confidence >= 50 && detectable.test(best.name)
  const name = found && decodes(head, best.name) ? best.name : 'windows-1252'
  return { name, note: `not UTF-8: read as ${name} (--encoding names another)` }
}

const isUtf32 = (head: Buffer) => /^(fffe0000|0000feff)/.test(head.toString('hex', 0, 4))

const withNote = (name: string) => ({ name, note: `read as ${name} (--encoding names another)` })

function nameOf(named: string): string {
  try {
    return new TextDecoder(named).encoding
  } catch {
    throw new ImportError(
      `--encoding: there is none called "${named}"; for example utf-8, windows-1252, gb18030`,
    )
  }
}

/** The last character may not be there whole. */
function withoutCutCharacter(head: Buffer): Buffer {
  let end = head.length
  while (end > 0 && end > head.length - 3 && (head[end - 1]! & 0xc0) === 0x80) end -= 1
  return end > 0 && head[end - 1]! >= 0xc0 ? head.subarray(0, end - 1) : head
}

/** UTF-16 without a BOM: half of the bytes are zero, those of one side. */
function wideEncoding(head: Buffer): string | undefined {
  if (!head.includes(0)) return undefined
  const zeros = [0, 0]
  for (const [at, byte] of head.entries()) if (byte === 0) zeros[at % 2]! += 1
  const most = head.length / 2
  if (zeros[1]! > most * 0.4 && zeros[0]! < most * 0.1) return 'utf-16le'
  if (zeros[0]! > most * 0.4 && zeros[1]! < most * 0.1) return 'utf-16be'
  return undefined
}

function controls(head: Buffer): number {
  let count = 0
  for (const byte of head) if (byte < 32 && (byte < 9 || byte > 13)) count += 1
  return count
}

/** A UTF-8 file with some broken characters: what is well-formed by chance is rare elsewhere. */
function mostlyUtf8(head: Buffer): boolean {
  const text = head.toString()
  let broken = 0
  let whole = 0
  for (const character of text) {
    if (character === '\uFFFD') broken += 1
    else if (character > '\x7f') whole += 1
  }
  return whole > broken
}

function decodes(head: Buffer, name: string): boolean {
  try {
    new TextDecoder(name, { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

/** The text of `chunks`, a BOM left out. */
export async function* decoded(
  chunks: AsyncIterable<Buffer>,
  encoding: string,
): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding)
  for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true })
  const rest = decoder.decode()
  if (rest !== '') yield rest
}
