import { raw, type Sql, sql } from '../reads/sql.ts'
import { noScore, rankOfScore } from './entries.ts'
import { has, type IdSet } from './id-set.ts'
import type { Loader } from './loader.ts'
import { idOf, keyOf, least, rankOf } from './match.ts'
import { titlesOf } from './with-all.ts'

/** Sizes at which another way to find the best is the cheaper one; tests set them low. */
export interface BestBounds {
  /** So many titles that begin so are sorted at once. */
  fewBeginnings: number
  /** So many times the titles that are wanted are read to see whether some of their words are joined. */
  joined: number
  /** So many titles are read by their score, and so many before it is guessed how many it takes. */
  ranked: number
  sample: number
  /** How many titles are read in the time in which a block is. */
  titlesInBlock: number
  /** How many titles get their scores from blocks in the time in which one is read. */
  scoredInTitle: number
  /** How many titles are met in the index of the scores in the time in which one is read. */
  metInTitle: number
}

/** What all ways to find the best need. */
export interface Given {
  loader: Loader
  count: number
  bounds: BestBounds
}

/** The best keys met so far. */
export function createBest(count: number) {
  let kept: Float64Array = new Float64Array()
  return {
    /** Of a title that has a key already, that one is at least as good. */
    add(keys: Float64Array) {
      const ids = new Set(Array.from(kept, idOf))
      const others = least(keys, count + kept.length).filter((key) => !ids.has(idOf(key)))
      kept = Float64Array.of(...kept, ...others)
        .sort()
        .subarray(0, count)
    },
    keys: () => kept,
    /** Whether nothing that is not less than `bound` belongs to the best. */
    isComplete: (bound: number) => kept.length === count && kept.at(-1)! <= bound,
  }
}

export type BestKeys = ReturnType<typeof createBest>

const countUpTo = (match: number, keys: Float64Array) =>
  keys.filter((key) => rankOf(key) < (match + 1) * 1024).length

/** The keys of what matches of the titles `a` in a range of scores. */
export type KeysIn = (range: Sql) => Promise<Float64Array>

/** How `byScore` goes: titles of the first step, and titles that it meets at most. */
interface Steps {
  first: number
  most: number
}

/**
 * Adds what matches of all titles, in the order of scores. False: it would be too many, or there are not
 * enough that have a score.
 */
export async function byScore(
  { loader, count }: Given,
  match: number,
  { first: firstStep, most }: Steps,
  found: BestKeys,
  keysIn: KeysIn,
): Promise<boolean> {
  const { rows: run, dialect } = loader.session
  const by = raw(dialect.by('animes_score'))
  const one = async (statement: Sql) => (await run(statement))[0]?.[0] as number | null | undefined
  let [id, looked, hits, size] = [0, 0, 0, rounded(firstStep)]
  const meet = async (range: Sql) => {
    const keys = await keysIn(range)
    found.add(keys)
    hits += countUpTo(match, keys)
  }
  /** Whether none is better than those of a rank and an id, from which on titles were not met. */
  const isComplete = (rank: number, from: number) =>
    found.isComplete(keyOf(match * 1024 + rank, from))
  for (let score = await one(sql`select max(a.score) from animes as a`); ; ) {
    if (typeof score !== 'number') return isComplete(noScore, 0)
    const rest = sql`a.score = ${score} and a.id > ${id}`
    const nth = raw(dialect.limit(1, size - 1))
    const lastId = await one(
      sql`select a.id from animes as a${by} where ${rest} order by a.id ${nth}`,
    )
    if (typeof lastId === 'number') {
      await meet(sql`${rest} and a.id <= ${lastId}`)
      id = lastId
    } else {
      // The rest of this score, then the next scores as long as they are not more.
      await meet(rest)
      if (isComplete(rankOfScore(score) + 1, 0)) return true
      const lower = await one(sql`select a.score from animes as a${by}
        where a.score < ${score} order by a.score desc ${nth}`)
      await meet(
        sql`a.score < ${score}${typeof lower === 'number' ? sql` and a.score > ${lower}` : raw('')}`,
      )
      score = lower
      id = 0
      if (typeof score !== 'number') continue
    }
    if (isComplete(rankOfScore(score), id)) return true
    looked += size
    const needed = (looked * count) / Math.max(hits, 0.5)
    if (needed > most) return false
    // A little more than it should take.
    size = rounded(Math.max(firstStep, 1.2 * (needed - looked)))
  }
}

/** Up to a power of the square root of two: a statement of another size is prepared anew. */
const rounded = (size: number) => Math.ceil(2 ** (Math.ceil(2 * Math.log2(size)) / 2))

/** The keys of those of a set, which take no more than the index of the scores. */
export const keysOfSet =
  ({ loader }: Given, match: number, set: IdSet): KeysIn =>
  async (range) => {
    const { rows: run, dialect } = loader.session
    const by = raw(dialect.by('animes_score'))
    const rows = await run(sql`select a.score, ${dialect.list('a.id')} as ids
      from animes as a${by} where ${range} group by a.score`)
    const keys: number[] = []
    for (const [score, ids] of rows as [number, string | null][]) {
      const rank = match * 1024 + rankOfScore(score)
      for (const id of JSON.parse(`[${ids ?? ''}]`) as number[]) {
        if (has(set, id)) keys.push(keyOf(rank, id))
      }
    }
    return Float64Array.from(keys)
  }

/** The keys of some ids, all of one class. */
export async function keysOfIds(
  { loader }: Given,
  match: number,
  ids: ArrayLike<number>,
): Promise<Float64Array> {
  if (ids.length === 0) return new Float64Array()
  const { rows: run, dialect } = loader.session
  return keysOfRows(match, await run(sql`select a.id, a.score from ${titlesOf(dialect, ids)}`))
}

/** The keys of ids with their scores. */
export const keysOfRows = (match: number, rows: unknown[][]): Float64Array =>
  Float64Array.from(rows as [number, number | null][], ([id, score]) =>
    keyOf(match * 1024 + rankOfScore(score), id),
  )
