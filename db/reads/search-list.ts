import type { AnimeRow } from '../../catalogue/columns.ts'
import { termsOf } from '../../catalogue/words.ts'
import { encodeBestCursor, encodeCursor } from '../order.ts'
import { findBest } from '../search/best.ts'
import { createLoader, type Loader } from '../search/loader.ts'
import { idOf, keyOf, least, rankOf } from '../search/match.ts'
import { findCorrected, findTitles } from '../search/search.ts'
import { titlesWithAll } from '../search/with-all.ts'
import { type ListQuery, readPage, rowOf } from './list.ts'
import { amongIds, isFiltered, matchingOf } from './list-sql.ts'
import { batchSize, type ReadSession } from './session.ts'

/** What a search found, before its rows are read. */
export interface Searched {
  total: number
  corrected?: string | undefined
  keys: Float64Array
}

/** Ids asked for in one statement. */
const idsAtATime = 5000

/** Finds what matches a list's query and its other filters. */
export async function searchTitles(
  session: ReadSession,
  { filters }: ListQuery,
  loader = createLoader(session),
): Promise<Searched> {
  const { q, ...others } = filters
  const narrow = async (ids: number[]) => {
    const passing = new Set<number>()
    for (let at = 0; at < ids.length; at += idsAtATime) {
      const some = ids.slice(at, at + idsAtATime)
      const rows = await session.rows(matchingOf(session.dialect, others, some))
      for (const [id] of rows) passing.add(Number(id))
    }
    return passing
  }
  const found = await findTitles(loader, q!, isFiltered(others) ? narrow : undefined)
  return { total: found.keys.length, ...found }
}

interface Page {
  total: number
  corrected?: string | undefined
  rows: AnimeRow[]
  next: string | null
}

/** A page of what a search finds, and how many titles that is. */
export async function searchPage(
  session: ReadSession,
  query: ListQuery,
  limit: number,
): Promise<Page> {
  const { filters, sort, bestFirst, cursor } = query
  const { q, ...others } = filters
  const loader = createLoader(session)
  const isFirst = bestFirst && cursor === undefined && !isFiltered(others)
  const searched =
    (isFirst && (await searchBest(loader, q!, limit + 1))) ||
    (await searchTitles(session, query, loader))
  const { total, corrected, keys } = searched
  if (bestFirst) {
    const best = least(keys, limit + 1, afterBest(query))
    const shown = best.subarray(0, limit)
    const last = shown.at(-1)
    const more = best.length > limit && last !== undefined
    const next = more ? encodeBestCursor(rankOf(last), idOf(last)) : null
    return { total, corrected, rows: await rowsOf(session, shown), next }
  }
  const rows = await sortedPage(session, query, keys, limit + 1)
  const more = rows.length > limit
  const shown = more ? rows.slice(0, limit) : rows
  return { total, corrected, rows: shown, next: more ? encodeCursor(shown.at(-1)!, sort) : null }
}

/** So many titles are ranked in some five milliseconds. */
const manyRanked = 20_000

/** Of a search that finds many titles, how many, and no more than the `count` best. */
async function searchBest(loader: Loader, q: string, count: number): Promise<Searched | undefined> {
  const { size } = await titlesWithAll(termsOf(q), loader)
  // Where each statement goes over the network, to rank all takes less than to find the best.
  const few = loader.session.dialect.interleaves ? loader.bounds.fewTitles : manyRanked
  if (size <= few) return undefined
  const keys = await findBest(loader, q, { count })
  return keys && { total: size, keys }
}

/** The `count` best matches of `q`, without their total. */
export async function bestTitles(session: ReadSession, q: string, count: number) {
  const loader = createLoader(session)
  const few = await findBest(loader, q, { count })
  if (few !== undefined && few.length > 0) return { rows: await rowsOf(session, few) }
  const find = few === undefined ? findTitles : findCorrected
  const { keys, corrected } = await find(loader, q)
  return { rows: await rowsOf(session, least(keys, count)), corrected }
}

/** The key of the last title seen. */
function afterBest({ cursor }: ListQuery): number | undefined {
  if (cursor === undefined) return undefined
  const [rank, id] = cursor as [number, number]
  return keyOf(rank, id)
}

/** The rows of some keys, in their order. */
async function rowsOf(session: ReadSession, keys: Float64Array): Promise<AnimeRow[]> {
  if (keys.length === 0) return []
  const ids = Array.from(keys, idOf)
  const found = await session.rows(amongIds(session.dialect, ids, { sort: [] }))
  const byId = new Map(found.map(rowOf).map((row) => [row.id, row]))
  // A title past the words, of a load that they have not caught up with, may be gone.
  return ids.map((id) => byId.get(id)).filter((row) => row !== undefined)
}

/**
 * A page in the order of a sort. Few are sorted; where many match, titles are met in that order until
 * enough of them do.
 */
async function sortedPage(
  session: ReadSession,
  { filters, sort, cursor }: ListQuery,
  keys: Float64Array,
  limit: number,
): Promise<AnimeRow[]> {
  if (keys.length === 0) return []
  const ids = Array.from(keys, idOf)
  if (ids.length <= session.bounds.few) {
    const statement = amongIds(session.dialect, ids, { sort, cursor, limit })
    return (await session.rows(statement)).map(rowOf)
  }
  const { q: _, ...others } = filters
  const matching = new Set(ids)
  const rows: AnimeRow[] = []
  let at = cursor
  for (let size = 4 * limit; rows.length < limit; size = Math.min(2 * size, idsAtATime)) {
    const query = { filters: others, sort, cursor: at, limit: size }
    const met = await readPage(session, query, { total: Infinity })
    rows.push(...met.filter(({ id }) => matching.has(id)))
    if (met.length < size) break
    at = cursorAfter(met.at(-1)!, sort)
  }
  return rows.slice(0, limit)
}

const cursorAfter = (row: AnimeRow, sort: ListQuery['sort']) =>
  (JSON.parse(Buffer.from(encodeCursor(row, sort), 'base64url').toString()) as never[]).slice(1)

/** All that a search found, or what comes after a cursor, a few hundred rows at a time. */
export async function* searchBatches(
  session: ReadSession,
  query: ListQuery,
  { keys }: Searched,
): AsyncGenerator<AnimeRow[], void, void> {
  if (!query.bestFirst) {
    const { sort, cursor } = query
    const ids = Array.from(keys, idOf)
    const batches = session.batches(amongIds(session.dialect, ids, { sort, cursor }))
    for await (const rows of batches) yield rows.map(rowOf)
    return
  }
  const sorted = least(keys, keys.length, afterBest(query))
  for (let at = 0; at < sorted.length; at += batchSize) {
    yield await rowsOf(session, sorted.subarray(at, at + batchSize))
  }
}
