import { open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Entry } from 'yauzl'
import { ImportError } from './errors.ts'

export type Chunks = AsyncIterable<Buffer | string> | Iterable<Buffer | string>

/** The bytes of a file or of standard input, and what the command shows of them. */
export interface SourceFile {
  chunks: Readable
  /** How many bytes there are to read; 0 if unknown. */
  size: number
  bytesRead: () => number
  /** Identifies the file; undefined for standard input. */
  identity: { ino: number; dev: number } | undefined
}

const zipBegins = Buffer.from('PK\x03\x04')

/**
 * Opens the file at `path`, `-` for standard input; of a zip archive, the one file in it that may be a
 * catalogue, or the one called `entry`.
 * @throws ImportError when an archive has none or several; whatever `open` throws
 */
export async function openSource(path: string, entry?: string): Promise<SourceFile> {
  if (path === '-') {
    if (entry !== undefined) throw new ImportError('--entry: standard input is no zip archive')
    const { stdin } = process
    return { chunks: stdin, size: 0, bytesRead: () => 0, identity: undefined }
  }
  const file = await open(path)
  const { size, ino, dev } = await file.stat()
  const identity = { ino, dev }
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
  if (buffer.equals(zipBegins)) {
    await file.close()
    return { ...(await fromZip(path, entry)), identity }
  }
  if (entry !== undefined) {
    await file.close()
    throw new ImportError('--entry: the file is no zip archive')
  }
  const chunks = file.createReadStream({ start: 0 })
  return { chunks, size, bytesRead: () => chunks.bytesRead, identity }
}

/** Loads yauzl, which reads archives in constant memory, only for one. */
async function fromZip(path: string, wanted: string | undefined) {
  const { default: yauzl } = await import('yauzl')
  try {
    const zip = await yauzl.openPromise(path, { autoClose: false })
    const entry = chosen(await Array.fromAsync(zip.eachEntry()), wanted)
    const stream = await zip.openReadStreamPromise(entry)
    let bytes = 0
    async function* counted() {
      try {
        for await (const chunk of stream) {
          bytes += chunk.length
          yield chunk
        }
      } finally {
        zip.close()
      }
    }
    return {
      chunks: Readable.from(counted(), { objectMode: false }),
      size: entry.uncompressedSize,
      bytesRead: () => bytes,
    }
  } catch (error) {
    if (error instanceof ImportError) throw error
    throw new ImportError(`the zip archive cannot be read: ${(error as Error).message}`)
  }
}

const maybeCatalogue = /\.(csv|tsv|txt|json|ndjson|jsonl)(\.gz|\.zst)?$/i

function chosen(entries: Entry[], wanted: string | undefined): Entry {
  const files = entries.filter(({ fileName }) => !/(^__MACOSX\/|\/$)/.test(fileName))
  const names = files.map(({ fileName }) => fileName)
  if (names.includes('[Content_Types].xml')) {
    throw new ImportError('an office document: save the sheet as CSV')
  }
  const list = `the zip archive has ${names.slice(0, 20).join(', ') || 'nothing'}`
  if (wanted !== undefined) {
    const entry = files.find(({ fileName }) => fileName === wanted)
    if (entry === undefined) throw new ImportError(`--entry: ${list}`)
    return entry
  }
  const [first, second] = files.filter(({ fileName }) => maybeCatalogue.test(fileName))
  if (first === undefined) throw new ImportError(`${list}, and no CSV or JSON`)
  if (second !== undefined) throw new ImportError(`${list}: name one with --entry`)
  return first
}

/** What is no text, by its first bytes. */
const signatures: [begins: string, what: string][] = [
  ['PK\x03\x04', 'a zip archive: give it as a file, or unpack it'],
  ['PK\x05\x06', 'a zip archive with nothing in it'],
  ['\x1f\x8b', 'packed more than three times'],
  ['BZh', 'bzip2 data: unpack it'],
  ['\xfd7zXZ\0', 'xz data: unpack it'],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive: unpack it'],
  ['Rar!', 'a rar archive: unpack it'],
  ['SQLite format 3\0', 'a SQLite database: export its table as CSV'],
  ['PAR1', 'a Parquet file: save it as CSV or NDJSON'],
  ['%PDF', 'a PDF'],
  ['\xd0\xcf\x11\xe0', 'an old office document: save the sheet as CSV'],
]

const compressions = [
  { begins: Buffer.from([0x1f, 0x8b]), unpack: () => createGunzip({ chunkSize: 65_536 }) },
  {
    begins: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    unpack: () => createZstdDecompress({ chunkSize: 65_536 }),
  },
]

/** The beginning of a stream of bytes, and all of it. */
export interface Peeked {
  head: Buffer
  /** Whether `head` is all there is. */
  whole: boolean
  chunks: AsyncIterable<Buffer>
}

/**
 * Unpacks gzip and zstd data, known by their first bytes whatever the name, and looks at the beginning.
 * @throws ImportError for what is known to be no text
 */
export async function unpacked(source: Chunks, size: number, depth = 0): Promise<Peeked> {
  const peeked = await peek(source, size)
  const { head, chunks } = peeked
  const compression = compressions.find(({ begins }) =>
    head.subarray(0, begins.length).equals(begins),
  )
  if (compression !== undefined && depth < 3) {
    // The error of either is the error of the last, which is read.
    const stream = pipeline(chunks, compression.unpack(), () => {})
    return unpacked(stream, size, depth + 1)
  }
  const start = head.subarray(0, 16).toString('latin1')
  const known = signatures.find(([begins]) => start.startsWith(begins))
  if (known !== undefined) throw new ImportError(`the file is ${known[1]}`)
  return peeked
}

async function peek(source: Chunks, size: number): Promise<Peeked> {
  const iterator = (async function* () {
    for await (const chunk of source) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
  })()
  const read: Buffer[] = []
  let length = 0
  let whole = false
  while (length < size) {
    const { done, value } = await iterator.next()
    if (done === true) {
      whole = true
      break
    }
    read.push(value)
    length += value.length
  }
  async function* chunks() {
    try {
      yield* read.splice(0)
      if (!whole) yield* iterator
    } finally {
      await iterator.return()
    }
  }
  return {
    head: Buffer.concat(read).subarray(0, size),
    whole: whole && length <= size,
    chunks: chunks(),
  }
}
