import { hash } from 'node:crypto'
import type { AnimeColumn, AnimeRow } from '../../catalogue/columns.ts'
import { listHead, renderAnime, renderRows } from '../../catalogue/render.ts'
import { encodeCursor } from '../order.ts'
import { countAnimes, countBy } from './counts.ts'
import { findMatching, type ListQuery, type Matching, readPage, rowOf, wholeList } from './list.ts'
import { countMatching, oneTitle } from './list-sql.ts'
import type { ReadSession } from './session.ts'

/** A list, or a page of it. */
export interface ListRead {
  what: 'list'
  query: ListQuery
  columns: readonly AnimeColumn[]
  /** What matches the filters, as an earlier page has counted it. */
  matching?: Matching | undefined
}

/** What can be read of the catalogue. */
export type Read = ListRead | { what: 'title'; id: number } | { what: 'types' | 'genres' | 'stats' }

/** A finished answer in JSON. */
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

function finish(text: string, rest: Partial<FinishedRead> = {}): FinishedRead {
  const body = encoder.encode(text)
  return { body, etag: hash('sha1', body, 'base64url'), next: null, ...rest }
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
    case 'stats':
      return finish(JSON.stringify(await countAnimes(session)))
    default:
      return finish(JSON.stringify(await countBy(session, read.what)))
  }
}

async function page(
  session: ReadSession,
  { query, columns, matching: known }: ListRead,
  limit: number,
): Promise<FinishedRead> {
  const matching = known ?? (await findMatching(session, query.filters))
  const found = await readPage(session, { ...query, limit: limit + 1 }, matching)
  const more = found.length > limit
  const rows = more ? found.slice(0, limit) : found
  const next = more ? encodeCursor(rows.at(-1)!, query.sort) : null
  const text = `${listHead(matching.total, next)}${renderRows(rows, columns)}]}`
  return finish(text, { next, ...(known === undefined && { matching }) })
}

/**
 * All that matches, or all that comes after a cursor. When a small part of the bound is rendered, it is
 * counted how much there will be.
 */
async function whole(
  session: ReadSession,
  { query, columns }: ListRead,
): Promise<FinishedRead | StreamedRead> {
  const { streamAbove } = session.bounds
  const total = async () => {
    const [row] = await session.rows(countMatching(session.dialect, query.filters))
    return Number(row![0])
  }
  const pieces = renderedPieces(session, { what: 'list', query, columns })
  const held: string[] = []
  let [rows, bytes, counted] = [0, 0, undefined as number | undefined]
  // Not by `for await`, which would end them when the rest is streamed.
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    held.push(next.value.text)
    rows += next.value.rows
    bytes += next.value.text.length
    if (counted !== undefined || bytes < streamAbove / 64) continue
    counted = await total()
    if ((counted / rows) * bytes > streamAbove) return streamed(held, pieces, counted)
  }
  if (query.cursor !== undefined) counted ??= await total()
  return finish(`${listHead(counted ?? rows, null)}${held.join(',')}]}`)
}

interface Piece {
  text: string
  rows: number
}

/** The rows of a whole list as JSON, without brackets. */
async function* renderedPieces(
  session: ReadSession,
  { query, columns }: ListRead,
): AsyncGenerator<Piece, void, void> {
  for (const statement of await wholeList(session, query)) {
    for await (const batch of session.batches(statement)) {
      if (batch.length > 0) {
        yield { text: renderRows(batch.map(rowOf) as AnimeRow[], columns), rows: batch.length }
      }
    }
  }
}

async function* streamed(
  held: string[],
  pieces: AsyncGenerator<Piece, void, void>,
  total: number,
): StreamedRead {
  try {
    let separator = listHead(total, null)
    for (const text of held.splice(0)) {
      yield encoder.encode(separator + text)
      separator = ','
    }
    for await (const { text } of pieces) yield encoder.encode(separator + text)
    yield encoder.encode(']}')
  } finally {
    await pieces.return()
  }
}
