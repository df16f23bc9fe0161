import { hash } from 'node:crypto'
import {
  type FileRow,
  fileColumns,
  type ListFormat,
  type ListFormatName,
  listFormat,
} from '../../catalogue/formats.ts'
import { renderAnime } from '../../catalogue/render.ts'
import { encodeCursor } from '../order.ts'
import { countAnimes, countBy } from './counts.ts'
import { findMatching, type ListRead, type Matching, readPage, rowMaker, rowOf } from './list.ts'
import { countMatching, oneTitle } from './list-sql.ts'
import { bestTitles, searchPage, searchTitles } from './search-list.ts'
import { batchSize, type ReadSession } from './session.ts'
import { raw, sql, type Value } from './sql.ts'
import { type Piece, rowsOfParts, wholeList } from './whole-list.ts'

/** What can be read of the catalogue. */
export type Read =
  | ListRead
  | { what: 'title'; id: number }
  | { what: 'types' | 'genres' | 'stats' }
  | { what: 'suggest'; q: string }
  /** Every title with all its columns, in the order of the ids; always streamed. */
  | { what: 'export'; format: ListFormatName }

/** A finished answer. */
export interface FinishedRead {
  body: Uint8Array<ArrayBuffer>
  /** SHA-1 of the body: the opaque part of its strong validator. */
  etag: string
  /** The cursor of the next page. */
  next: string | null
  /** What matches the filters, where this read has counted it. */
  matching?: Matching
}

/** An answer too large to be held: pieces of it, each made when it is asked for. */
export type StreamedRead = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>

const encoder = new TextEncoder()

const finish = (text: string, rest?: Partial<FinishedRead>): FinishedRead =>
  finished(encoder.encode(text), rest)

const finished = (body: Uint8Array<ArrayBuffer>, rest: Partial<FinishedRead> = {}) => ({
  body,
  etag: hash('sha1', body, 'base64url'),
  next: null,
  ...rest,
})

/** The pieces in a buffer of their own, which can be handed to another thread. */
function concatenated(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Reads and renders, within one session. Undefined: there is no such title. */
export async function runRead(
  session: ReadSession,
  read: Read,
): Promise<FinishedRead | StreamedRead | undefined> {
  switch (read.what) {
    case 'list':
      return read.query.limit === undefined
        ? whole(session, read)
        : page(session, read, read.query.limit)
    case 'title': {
      const [row] = await session.rows(oneTitle(read.id))
      return row && finish(renderAnime(rowOf(row)))
    }
    case 'suggest':
      return finish(JSON.stringify(await suggest(session, read.q)))
    case 'export':
      return exported(session, listFormat(read.format, fileColumns))
    case 'stats':
      return finish(JSON.stringify(await countAnimes(session)))
    default:
      return finish(JSON.stringify(await countBy(session, read.what)))
  }
}

/** So many titles are suggested at most. */
const suggestions = 10

async function suggest(session: ReadSession, q: string) {
  const { rows, corrected } = await bestTitles(session, q, suggestions)
  const data = rows.map(({ id, title, type, year }) => ({ id, title, type, year }))
  return { ...(corrected && { corrected }), data }
}

async function page(
  session: ReadSession,
  { query, columns, matching: known, format: formatName }: ListRead,
  limit: number,
): Promise<FinishedRead> {
  const format = listFormat(formatName, columns)
  if (query.filters.q !== undefined) {
    const { total, corrected, rows, next } = await searchPage(session, query, limit)
    const head = format.head(total, next, corrected)
    return finish(head + format.rows(rows) + format.tail, { next })
  }
  const matching = known ?? (await findMatching(session, query.filters))
  const found = await readPage(session, { ...query, limit: limit + 1 }, matching)
  const more = found.length > limit
  const rows = more ? found.slice(0, limit) : found
  const next = more ? encodeCursor(rows.at(-1)!, query.sort) : null
  const text = format.head(matching.total, next) + format.rows(rows) + format.tail
  return finish(text, { next, ...(known === undefined && { matching }) })
}

/**
 * All that matches, or all that comes after a cursor. When a small part of the bound is rendered, it is
 * counted how much there will be; before that where rows are read one statement at a time.
 */
async function whole(session: ReadSession, read: ListRead): Promise<FinishedRead | StreamedRead> {
  const { query, columns, format: formatName } = read
  const { streamAbove } = session.bounds
  const format = listFormat(formatName, columns)
  const isSearch = query.filters.q !== undefined
  const searched = isSearch ? await searchTitles(session, query) : undefined
  const total = async () => {
    if (searched !== undefined) return searched.total
    const [row] = await session.rows(countMatching(session.dialect, query.filters))
    return Number(row![0])
  }
  const head = (count: number) => format.head(count, null, searched?.corrected)
  const pieces = wholeList(session, read, searched)
  const held: Uint8Array<ArrayBuffer>[] = []
  let counted = session.dialect.interleaves ? undefined : await total()
  let [rows, bytes, judged] = [0, 0, false]
  // Not by `for await`, which would end them when the rest is streamed.
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    const piece = next.value.bytes
    held.push(piece)
    rows += next.value.rows
    bytes += piece.length
    if (judged || bytes < streamAbove / 64) continue
    judged = true
    counted ??= await total()
    if ((counted / rows) * bytes > streamAbove) {
      return streamed(held, pieces, format, head(counted))
    }
  }
  if (query.cursor !== undefined || isSearch) counted ??= await total()
  const around = [head(counted ?? rows), format.tail].map((text) => encoder.encode(text))
  return finished(concatenated([around[0]!, ...held, around[1]!]))
}

async function* streamed(
  held: Uint8Array<ArrayBuffer>[],
  pieces: AsyncGenerator<Piece, void, void>,
  format: ListFormat,
  head: string,
): StreamedRead {
  try {
    yield encoder.encode(head)
    yield* held.splice(0)
    for await (const { bytes } of pieces) yield bytes
    yield encoder.encode(format.tail)
  } finally {
    await pieces.return()
  }
}

async function* exported(session: ReadSession, format: ListFormat): StreamedRead {
  const toRow = rowMaker<FileRow>(fileColumns)
  const selected = sql`select ${raw(fileColumns.join(', '))} from animes`
  const part = (last?: Value) => {
    const after = last === undefined ? raw('') : sql`where id > ${last}`
    return sql`${selected} ${after} order by id ${raw(session.dialect.limit(batchSize))}`
  }
  let separator = format.head(0, null)
  const following = rowsOfParts({ size: batchSize, part })
  for await (const batch of session.batches(sql`${selected} order by id`, following)) {
    if (batch.length === 0) continue
    yield encoder.encode(separator + format.rows(batch.map(toRow)))
    separator = format.separator
  }
  yield encoder.encode((separator === format.separator ? '' : separator) + format.tail)
}
