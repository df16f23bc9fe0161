import { createHash, hash } from 'node:crypto'
import { promisify } from 'node:util'
import zlib from 'node:zlib'

/** What a body can be sent as; `identity` is the body itself (RFC 9110, 8.4). */
export type Coding = 'identity' | 'zstd' | 'br' | 'gzip'

/** A complete answer, ready to send again. */
export interface Entry {
  readonly key: string
  readonly tags: readonly string[]
  /** Bytes of the body as it is, in no coding. */
  readonly length: number
  /** The opaque part of the strong ETag of the identity body. */
  readonly etag: string
  /** The header fields that every copy of the answer has, as name, value, name, value. */
  readonly headers: readonly string[]
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly made: number
  readonly expires: number
  /** The codings made so far: at first identity, or zstd where it came from Redis. */
  readonly variants: Map<Coding, Variant>
  hits: number
}

/** A body in one content coding, and its header block of the present second. */
export interface Variant {
  readonly coding: Coding
  readonly bytes: Buffer
  /**
   * What to send: a short body as one character a byte (latin1), since Node sends a text together with
   * its header in one write and a buffer in two.
   */
  readonly sent: Buffer | string
  readonly etag: string
  second: number
  block: string[]
  /** Block and body, as they are sent. */
  text: string | undefined
}

/** Bodies up to this length are held as text too: Node writes as much without an allocation. */
const longestText = 8192

/** Bodies shorter than this are not worth a coding. */
const minimumToEncode = 1024

/** Bodies up to this length are encoded at once: the way to a thread of libuv and back takes as long. */
const longestAtOnce = 8192

const decompress = promisify(zlib.zstdDecompress)

const brotliOptions = ({ length }: Buffer): zlib.BrotliOptions => ({
  params: {
    [zlib.constants.BROTLI_PARAM_QUALITY]: 4,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: length,
  },
})

type Codec<Encoded> = Record<Exclude<Coding, 'identity'>, (body: Buffer) => Encoded>

const inThread: Codec<Promise<Buffer>> = {
  zstd: promisify(zlib.zstdCompress),
  gzip: promisify(zlib.gzip),
  br: (body) =>
    promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)(body, brotliOptions(body)),
}

const atOnce: Codec<Buffer> = {
  zstd: (body) => zlib.zstdCompressSync(body),
  gzip: (body) => zlib.gzipSync(body),
  br: (body) => zlib.brotliCompressSync(body, brotliOptions(body)),
}

export const etagOf = (body: Buffer | string) => hash('sha1', body, 'base64url')

type Fields = Pick<Entry, 'key' | 'tags' | 'length' | 'etag' | 'headers' | 'made' | 'expires'>

/** An entry with its body in one coding. */
export function createEntry(fields: Fields, coding: Coding, bytes: Buffer): Entry {
  const entry: Entry = { ...fields, variants: new Map(), hits: 0 }
  entry.variants.set(coding, variant(entry, coding, bytes))
  return entry
}

/** A strong validator names one sequence of bytes, so each coding has its own (RFC 9110, 8.8.3). */
export const etagIn = ({ etag }: Pick<Entry, 'etag'>, coding: Coding) =>
  coding === 'identity' ? `"${etag}"` : `"${etag}-${coding}"`

const variant = (entry: Entry, coding: Coding, bytes: Buffer): Variant => ({
  coding,
  bytes,
  sent: bytes.length <= longestText ? bytes.toString('latin1') : bytes,
  etag: etagIn(entry, coding),
  second: -1,
  block: [],
  text: undefined,
})

/** The coding in which an entry is sent to a client that would have it in `coding`. */
export const codingOf = ({ length }: Entry, coding: Coding): Coding =>
  length < minimumToEncode ? 'identity' : coding

const encoding = new WeakMap<Entry, Map<Coding, Promise<Variant>>>()

/**
 * The body in `coding`, made on first demand and kept; concurrent requests share the work. `onGrow` is
 * called when the entry has grown by it.
 */
export function encode(
  entry: Entry,
  coding: Coding,
  onGrow: (entry: Entry) => void,
): Variant | Promise<Variant> {
  const wanted = codingOf(entry, coding)
  const made = entry.variants.get(wanted)
  if (made !== undefined) return made
  const keep = (bytes: Buffer) => {
    const encoded = variant(entry, wanted, bytes)
    entry.variants.set(wanted, encoded)
    onGrow(entry)
    return encoded
  }
  if (entry.length <= longestAtOnce) return keep(makeAtOnce(entry, wanted))
  let pending = encoding.get(entry)
  if (pending === undefined) {
    pending = new Map()
    encoding.set(entry, pending)
  }
  let work = pending.get(wanted)
  if (work === undefined) {
    work = make(entry, wanted)
      .then(keep)
      .finally(() => pending.delete(wanted))
    pending.set(wanted, work)
  }
  return work
}

async function make(entry: Entry, coding: Coding): Promise<Buffer> {
  const body = entry.variants.get('identity')?.bytes
  if (coding !== 'identity') return inThread[coding](body ?? (await make(entry, 'identity')))
  return decompress(entry.variants.get('zstd')!.bytes)
}

function makeAtOnce(entry: Entry, coding: Coding): Buffer {
  const body = entry.variants.get('identity')?.bytes
  if (coding !== 'identity') return atOnce[coding](body ?? makeAtOnce(entry, 'identity'))
  return zlib.zstdDecompressSync(entry.variants.get('zstd')!.bytes)
}

/** The form of a packed answer; another number is another form, and not read. */
const packedForm = 3

/** What is kept of an answer beside its packed body. */
export interface PackedMeta {
  form: number
  tags: string[]
  etag: string
  headers: string[]
  length: number
  coding: Coding
  /** SHA-1 of the fields above and the packed body. */
  sum: string
}

const sumOf = (meta: Omit<PackedMeta, 'sum'>, bytes: Buffer) =>
  createHash('sha1').update(JSON.stringify(meta)).update(bytes).digest('base64url')

/** An entry in the form in which instances share it: one zstd body and what else there is to say. */
export async function pack(
  entry: Entry,
  onGrow: (entry: Entry) => void,
): Promise<{ meta: PackedMeta; bytes: Buffer }> {
  const { coding, bytes } = await encode(entry, 'zstd', onGrow)
  const { tags, etag, headers, length } = entry
  const form = packedForm
  const meta = { form, tags: [...tags], etag, headers: [...headers], length, coding }
  return { meta: { ...meta, sum: sumOf(meta, bytes) }, bytes }
}

/**
 * The entry of a packed answer; its body stays packed until a client asks for another coding.
 * @throws Error when it is damaged, or was packed in another form
 */
export function unpack({
  meta: text,
  bytes,
  ...fields
}: { meta: string; bytes: Buffer } & Pick<Entry, 'key' | 'made' | 'expires'>): Entry {
  const { sum, ...meta } = JSON.parse(text) as PackedMeta
  if (meta.form !== packedForm) throw new Error(`a packed answer of form ${meta.form}`)
  if (sumOf(meta, bytes) !== sum) throw new Error('a packed answer is damaged')
  const { tags, etag, headers, length, coding } = meta
  return createEntry({ ...fields, tags, etag, headers, length }, coding, bytes)
}

/** Bytes of memory that an entry takes, near enough. */
export function sizeOf({ headers, key, variants }: Entry): number {
  let bytes = 1024 + 2 * key.length + headers.length * 32
  for (const { bytes: buffer, sent } of variants.values()) {
    // A text is held a second time, behind its header.
    bytes += buffer.length + (sent === buffer ? 0 : 2 * sent.length)
  }
  return bytes
}

/**
 * Whether an `If-None-Match` field names this answer: weak comparison, any coding, `*` (RFC 9110,
 * 13.1.2).
 */
export function noneMatch(field: string, etag: string): boolean {
  if (field.trim() === '*') return true
  return field.split(',').some((listed) => opaque(listed) === etag)
}

/** Whether an `If-Match` field names this answer: strong comparison, any coding, `*` (RFC 9110, 13.1.1). */
export function matches(field: string, etag: string): boolean {
  if (field.trim() === '*') return true
  return field.split(',').some((tag) => !tag.trim().startsWith('W/') && opaque(tag) === etag)
}

/** The opaque part of an entity tag, without weakness and coding. */
function opaque(tag: string): string {
  return tag
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1')
    .replace(/-(zstd|br|gzip)$/, '')
}
