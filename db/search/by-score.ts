import type { ReadDialect } from '../reads/session.ts'
import { every, raw, type Sql, sql } from '../reads/sql.ts'
import { rankOfScore } from './entries.ts'
import { has, type IdSet } from './id-set.ts'
import { idOf, keyOf, least, rankOf } from './match.ts'
import type { RunSql } from './rows.ts'

/** Sizes at which another way to find the best is the cheaper one; tests set them low. */
export interface BestBounds {
  /** So many titles that begin so are sorted at once. */
  fewBeginnings: number
  /** So many titles are read by their score, and so many before it is guessed how many it takes. */
  ranked: number
  sample: number
  /** How many titles are read in the time in which a block is. */
  titlesInBlock: number
  /** How many titles are met in the index of the scores in the time in which one is read. */
  metInTitle: number
}

/** What all ways to find the best need. */
export interface Given {
  run: RunSql
  count: number
  dialect: ReadDialect
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
  { run, count, dialect }: Given,
  match: number,
  { first: firstStep, most }: Steps,
  found: BestKeys,
  keysIn: KeysIn,
): Promise<boolean> {
  const by = raw(dialect.by('animes_score'))
  const one = async (statement: Sql) => (await run(statement))[0]?.[0] as number | null | undefined
  let score = await one(sql`select max(a.score) from animes as a`)
  let [id, looked, hits] = [0, 0, 0]
  for (let size = firstStep; score !== null && score !== undefined; size *= 2) {
    const first = raw(dialect.limit(size))
    const rest = sql`a.score = ${score} and a.id > ${id}`
    const [ids] = await run(sql`select max(x.id), count(*) from (
      select a.id from animes as a${by} where ${rest} order by a.id ${first}) as x`)
    const [last, some] = ids as [number | null, number]
    const meet = async (range: Sql) => {
      const keys = await keysIn(range)
      found.add(keys)
      hits += countUpTo(match, keys)
    }
    if (Number(some) === size) {
      await meet(sql`${rest} and a.id <= ${last}`)
      id = last!
    } else {
      // The rest of this score, and the next scores as long as they are as many.
      await meet(rest)
      const lower: number | null | undefined = await one(sql`select min(x.score) from (
        select a.score from animes as a${by} where a.score < ${score} order by a.score desc ${first}) as x`)
      if (lower === null || lower === undefined) return false
      await meet(sql`a.score < ${score} and a.score > ${lower}`)
      score = lower
      id = 0
    }
    if (found.isComplete(keyOf(match * 1024 + rankOfScore(score), id))) return true
    looked += size
    if (looked * (count / Math.max(hits, 0.5)) > most) return false
  }
  return false
}

/** The keys of those of a set, which take no more than the index of the scores. */
export const keysOfSet =
  ({ run, dialect }: Given, match: number, set: IdSet): KeysIn =>
  async (range) => {
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

/** The keys of those of some ids whose titles `a` are as `filter` says, all of one class. */
export async function keysOfIds(
  { run, dialect }: Given,
  match: number,
  ids: number[],
  filter: Sql = every([]),
): Promise<Float64Array> {
  if (ids.length === 0) return new Float64Array()
  const some = sql`${dialect.idIn(JSON.stringify(ids))} and ${filter}`
  return keysOfRows(match, await run(sql`select a.id, a.score from animes as a where ${some}`))
}

/** The keys of ids with their scores. */
export const keysOfRows = (match: number, rows: unknown[][]): Float64Array =>
  Float64Array.from(rows as [number, number | null][], ([id, score]) =>
    keyOf(match * 1024 + rankOfScore(score), id),
  )
