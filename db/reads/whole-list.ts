import { type AnimeRow, animeColumns } from '../../catalogue/columns.ts'
import { listFormat } from '../../catalogue/formats.ts'
import { type SortKey, totalOrder } from '../order.ts'
import { fewOf, idsOf, isAtMost, type ListQuery, type ListRead, rowOf } from './list.ts'
import { amongIds, isFiltered, mayBeUnknown, type Scan, scanning, sorted } from './list-sql.ts'
import { type Searched, searchBatches } from './search-list.ts'
import { batchSize, type Following, type ReadSession } from './session.ts'
import type { Sql, Value } from './sql.ts'

/** Some titles as they are written, with what parts them from those before. */
export interface Piece {
  bytes: Uint8Array<ArrayBuffer>
  rows: number
}

const encoder = new TextEncoder()

/** All that matches, or all that comes after a cursor, without what stands around the titles. */
export async function* wholeList(
  session: ReadSession,
  { query, columns, format: formatName = 'api' }: ListRead,
  searched: Searched | undefined,
): AsyncGenerator<Piece, void, void> {
  const format = listFormat(formatName, columns)
  let isFirst = true
  const pieceOf = (rows: AnimeRow[]): Piece => {
    // Piece by piece: their texts are short-lived then, and most of one byte a character.
    const bytes = encoder.encode((isFirst ? '' : format.separator) + format.rows(rows))
    isFirst = false
    return { bytes, rows: rows.length }
  }
  if (searched !== undefined) {
    for await (const rows of searchBatches(session, query, searched)) {
      if (rows.length > 0) yield pieceOf(rows)
    }
    return
  }
  const rendered = formatName === 'api' ? session.dialect.rendered : undefined
  for (const { statement, parts } of await wholeStatements(session, query)) {
    if (rendered !== undefined && parts !== undefined) {
      const following = renderedParts(parts, (rows) => rendered(rows, columns, !isFirst))
      for await (const [row] of session.batches(statement, following)) {
        const [bytes, rows] = row as [Piece['bytes'], number]
        if (rows === 0) continue
        isFirst = false
        yield { bytes, rows }
      }
    } else {
      for await (const rows of session.batches(statement, parts && rowsOfParts(parts))) {
        if (rows.length > 0) yield pieceOf(rows.map(rowOf))
      }
    }
  }
}

/** A statement of a whole list, and how its rows can be asked for in parts. */
interface WholeStatement {
  statement: Sql
  parts?: Parts
}

/** So many rows each: the first, and those after an id. A part with fewer is the last. */
export interface Parts {
  size: number
  part: (after?: Value) => Sql
  descending?: boolean
}

const idAt = animeColumns.indexOf('id')

/** The statements of the parts. */
export const rowsOfParts =
  ({ size, part }: Parts): Following =>
  (before) =>
    before !== undefined && before.length < size ? undefined : part(before?.at(-1)?.[idAt])

/** The statements of the parts, each in `rendered`. */
const renderedParts =
  ({ size, part, descending }: Parts, rendered: (rows: Sql) => Sql): Following =>
  (before) => {
    if (before === undefined) return rendered(part())
    const [, rows, least, greatest] = before[0]!
    return Number(rows) < size ? undefined : rendered(part(descending ? least : greatest))
  }

/** The statements that give a whole list, one after the other. */
async function wholeStatements(
  session: ReadSession,
  { filters, sort, cursor }: ListQuery,
): Promise<WholeStatement[]> {
  const { dialect, bounds } = session
  const keys = totalOrder(sort)
  const [{ column, descending }] = keys as [SortKey]
  if (column !== 'id' && (await isAtMost(session, bounds.small))) {
    return [atOnce((limit) => sorted(dialect, filters, { sort, cursor, limit }), bounds.small)]
  }
  // In another order than the ids' all rows have to be sorted, or looked up one by one.
  const few = column === 'id' ? await fewOf(session) : bounds.few
  const ids = isFiltered(filters) ? await idsOf(session, filters, few) : undefined
  if (ids?.length === 0) return []
  if (ids !== undefined) {
    return [atOnce((limit) => amongIds(dialect, ids, { sort, cursor, limit }), bounds.few)]
  }
  if (column === 'id') {
    const from = (after: Value | undefined, count?: number) => {
      const scan = { equal: [], order: keys, from: after === undefined ? undefined : { after } }
      return scanning(dialect, filters, scan, count)
    }
    const first: Value | undefined = cursor?.[0]
    const part = (after: Value | undefined = first) => from(after, batchSize)
    return [{ statement: from(first), parts: { size: batchSize, part, descending } }]
  }
  if (cursor !== undefined || keys.length > 2 || column === 'type') {
    return [{ statement: sorted(dialect, filters, { sort, cursor }) }]
  }
  const unknownLast = keys.length === 2 && mayBeUnknown(filters, column)
  const known: Scan = { equal: [], order: keys, from: unknownLast ? 'known' : undefined }
  const unknown: Scan = { equal: [{ column, value: null }], order: keys.slice(1) }
  const scans = unknownLast ? [known, unknown] : [known]
  return scans.map((scan) => ({ statement: scanning(dialect, filters, scan) }))
}

/** All of at most `limit` rows in one part. */
const atOnce = (make: (limit?: number) => Sql, limit: number): WholeStatement => ({
  statement: make(),
  parts: { size: Infinity, part: () => make(limit) },
})
