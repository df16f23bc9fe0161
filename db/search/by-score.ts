import type { ReadDialect } from '../reads/session.ts'
import { raw, type Sql, sql } from '../reads/sql.ts'
import { rankOfScore } from './entries.ts'
import { idOf, keyOf, least, rankOf } from './match.ts'
import type { RunSql } from './rows.ts'

/** Sizes at which another way to find the best is the cheaper one; tests set them low. */
export interface BestBounds {
  /** So many titles that begin so are sorted at once; up to so many if scores do not lead to them. */
  fewBeginnings: number
  beginnings: number
  /** So many titles are looked at by their score, and so many before it is guessed how many it takes. */
  ranked: number
  sample: number
  /** How many titles are looked at in the time in which a block is read. */
  titlesInBlock: number
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

export type KeysOf = (titles: Sql) => Promise<Float64Array>

/** Adds what matches of some titles, in the order of scores. False: it is worth more to read the next term. */
export async function among(
  { count, dialect, bounds }: Given,
  { keys, filter, match, worth }: { keys: Float64Array; filter: Sql; match: number; worth: number },
  found: BestKeys,
  keysOf: KeysOf,
): Promise<boolean> {
  let [looked, hits, after] = [0, 0, -1]
  for (let size = Math.min(bounds.sample, worth); ; size *= 2) {
    const some = least(keys, size, after)
    if (some.length > 0) {
      after = some.at(-1)!
      const ids = JSON.stringify(Array.from(some, idOf))
      const met = await keysOf(sql`animes as a where ${dialect.idIn(ids)} and ${filter}`)
      found.add(met)
      looked += some.length
      hits += countUpTo(match, met)
    }
    if (some.length < size) return true
    if (found.isComplete(keyOf(match * 1024 + rankOf(after), idOf(after)))) return true
    if (looked * (count / Math.max(hits, 0.5)) > worth) return false
  }
}

/**
 * Adds what matches of all titles, in the order of scores. False: it would be too many, or there are not
 * enough that have a score.
 */
export async function byScore(
  { run, count, dialect, bounds }: Given,
  { filter, match }: { filter: Sql; match: number },
  found: BestKeys,
  keysOf: KeysOf,
): Promise<boolean> {
  const by = raw(dialect.by('animes_score'))
  const one = async (statement: Sql) => (await run(statement))[0]?.[0] as number | null | undefined
  let score = await one(sql`select max(a.score) from animes as a`)
  let [id, looked, hits] = [0, 0, 0]
  for (let size = bounds.sample; score !== null && score !== undefined; size *= 2) {
    const first = raw(dialect.limit(size))
    const rest = sql`a.score = ${score} and a.id > ${id}`
    const [ids] = await run(sql`select max(x.id), count(*) from (
      select a.id from animes as a${by} where ${rest} order by a.id ${first}) as x`)
    const [last, some] = ids as [number | null, number]
    const meet = async (range: Sql) => {
      const keys = await keysOf(sql`animes as a${by} where ${range} and ${filter}`)
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
    if (looked * (count / Math.max(hits, 0.5)) > bounds.ranked) return false
  }
  return false
}
