import {
  afterPrefix,
  maxSortTitle,
  maxWordLength,
  type Term,
  termsOf,
} from '../../catalogue/words.ts'
import type { ReadDialect } from '../reads/session.ts'
import { every, join, raw, type Sql, sql } from '../reads/sql.ts'
import { maxSpan, rankOfScore } from './entries.ts'
import { type Asked, createLoader, createLoaderOf, type Loader } from './load.ts'
import {
  classes,
  idOf,
  keyOf,
  least,
  matchTerms,
  rankOf,
  scoredTitles,
  type WordBlocks,
} from './match.ts'
import type { RunSql } from './rows.ts'

/** Sizes at which another way to find the best is the cheaper one; tests set them low. */
interface BestBounds {
  /** So many titles that begin so are sorted at once; up to so many if scores do not lead to them. */
  fewBeginnings: number
  beginnings: number
  /** So many titles are looked at by their score, and so many before it is guessed how many it takes. */
  ranked: number
  sample: number
  /** How many titles are looked at in the time in which a block is read. */
  titlesInBlock: number
}

const defaultBounds: BestBounds = {
  fewBeginnings: 2000,
  beginnings: 20_000,
  ranked: 1500,
  sample: 150,
  titlesInBlock: 2,
}

export interface Best {
  count: number
  dialect: ReadDialect
  bounds?: BestBounds
}

/**
 * The keys of the `count` best matches of `q`, in order, as a search for all gives them; or undefined where
 * it takes that: the titles that begin so, by the index of `sort_title`; then those that have all words
 * whole, then those that have words that begin so, from the best score on.
 */
export async function findBest(
  run: RunSql,
  q: string,
  { count, dialect, bounds = defaultBounds }: Best,
): Promise<Float64Array | undefined> {
  const terms = termsOf(q)
  if (!terms.every(isPlain)) return undefined
  const given = { run, count, dialect, bounds }
  const loader = createLoader(run)
  const found = createBest(count)
  if (!(await addBeginnings(given, terms, found))) return undefined
  if (found.isComplete(keyOf(classes.words * 1024, 0))) return found.keys()
  const whole: Asked[] = terms.map((term) => (term.cjk ? term : { ...term, exact: true }))
  await addMatches(given, { terms, asked: whole, match: classes.words, loader }, found)
  if (found.isComplete(keyOf(classes.prefixes * 1024, 0))) return found.keys()
  // A word that no other begins with is whole in any case.
  const asked: Asked[] = []
  for (const [at, term] of terms.entries()) {
    const isOne = (await loader.count(term)) === (await loader.count(whole[at]!))
    asked.push(isOne ? whole[at]! : term)
  }
  if (asked.some((term, at) => term !== whole[at])) {
    await addMatches(given, { terms, asked, match: classes.prefixes, loader }, found)
  }
  return found.keys()
}

interface Given extends Required<Best> {
  run: RunSql
}

/** Whether a term stands in `sort_title` as a title's words have it. Two runs may be one there. */
const isPlain = ({ text, cjk }: Term, at: number, terms: Term[]) =>
  text.length < (cjk ? maxSpan : maxWordLength) &&
  !/[\ud7fb\ue000-\uffff]/.test(text) &&
  !(cjk && terms[at + 1]?.cjk)

/** The best keys met so far. */
function createBest(count: number) {
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

type BestKeys = ReturnType<typeof createBest>

/**
 * Adds the best titles that begin with `q`, those that are all of it first. False: that cannot be told from
 * `sort_title`, or takes too long.
 */
async function addBeginnings(given: Given, terms: Term[], found: BestKeys): Promise<boolean> {
  if (await isJoinedSomewhere(given, terms)) return false
  const q = terms.map(({ text }) => text).join(' ')
  const end = sql`a.sort_title < ${afterPrefix(q)}`
  const ranges = [
    [classes.title, sql`a.sort_title = ${q}`],
    [classes.begins, sql`a.sort_title > ${q} and ${end}`],
  ] as const
  for (const [match, range] of ranges) {
    if (!(await addRange(given, { match, range }, found))) return false
    if (found.isComplete(keyOf((match + 1) * 1024, 0))) return true
  }
  return true
}

interface Range {
  match: number
  range: Sql
}

async function addRange(given: Given, { match, range }: Range, found: BestKeys): Promise<boolean> {
  const { run, count, dialect, bounds } = given
  const by = raw(dialect.by('animes_sort_title'))
  const keysOf = (rows: unknown[][]) =>
    Float64Array.from(rows as [number, number | null][], ([id, score]) =>
      keyOf(match * 1024 + rankOfScore(score), id),
    )
  const atMost = async (most: number) => {
    const some = sql`select a.id from animes as a${by} where ${range}
      order by a.sort_title ${raw(dialect.limit(most + 1))}`
    const [row] = await run(sql`select count(*) from (${some}) as x`)
    return Number(row![0]) <= most
  }
  if (!(await atMost(bounds.fewBeginnings))) {
    const read = async (titles: Sql) => keysOf(await run(sql`select a.id, a.score from ${titles}`))
    if (await byScore(given, { filter: range, match }, found, read)) return true
    if (!(await atMost(bounds.beginnings))) return false
  }
  // Both databases hold null to be least.
  const best = await run(sql`select a.id, a.score from animes as a${by} where ${range}
    order by a.score desc, a.id ${raw(dialect.limit(count))}`)
  found.add(keysOf(best))
  return true
}

/**
 * Whether a title begins with the letters of `q` in other words: `Steins;Gate` has `steinsgate` too. Titles in
 * which the first blank that is one too many stands at any of its places, and so on to the end.
 */
async function isJoinedSomewhere({ run, dialect }: Given, terms: Term[]): Promise<boolean> {
  const by = raw(dialect.by('animes_sort_title'))
  const letters = terms.flatMap(({ text, cjk }, term) => {
    const own = Array.from(text, (letter, at) => ({ letter, inside: at > 0 && !cjk }))
    return term > 0 ? [{ letter: ' ', inside: false }, ...own] : own
  })
  const textOf = (from: number, to = letters.length) =>
    letters
      .slice(from, to)
      .map(({ letter }) => letter)
      .join('')
  // What a title begins with, and how many letters of `q` that has; whole ones have all of them.
  let begun: [text: string, taken: number][] = [['', 0]]
  while (begun.length > 0) {
    const tried = begun.flatMap(([text, taken]) => {
      const more: { text: string; taken: number; whole: boolean }[] = []
      for (let at = Math.max(taken, 1); at < letters.length; at += 1) {
        const { letter, inside } = letters[at]!
        if (!inside) continue
        more.push({ text: `${text}${textOf(taken, at)} ${letter}`, taken: at + 1, whole: false })
      }
      if (taken > 0) more.push({ text: text + textOf(taken), taken: 0, whole: true })
      return more
    })
    if (tried.length === 0) break
    // Too many ways are as good as one.
    if (tried.length > 200) return true
    const there = await run(
      join(
        tried.map(({ text }, at) => {
          const range = sql`a.sort_title >= ${text} and a.sort_title < ${afterPrefix(text)}`
          return sql`select ${raw(String(at))} as x where exists (
            select 1 from animes as a${by} where ${range})`
        }),
        ' union all ',
      ),
    )
    const met = there.map(([at]) => tried[Number(at)]!)
    if (met.some(({ whole }) => whole)) return true
    begun = met.map(({ text, taken }) => [text, taken])
  }
  return false
}

interface Matches {
  terms: Term[]
  /** The terms, or their words whole. */
  asked: Asked[]
  /** What a title that is met is at best; better ones were added before. */
  match: number
  loader: Loader
}

/**
 * Adds the best of the titles that have all terms. While many titles do, they are met from the best score on;
 * else among those that have the rarest term, then the next too.
 */
async function addMatches(
  given: Given,
  { terms, asked, match, loader }: Matches,
  found: BestKeys,
): Promise<void> {
  const { run, bounds } = given
  const counts: number[] = []
  for (const term of asked) counts.push(await loader.count(term))
  if (counts.includes(0)) return
  const filter = every(asked.map(({ text }) => mayHave(given, text)))
  const keysOf = async (titles: Sql) => {
    const load = await createLoaderOf(run, titles)
    return matchTerms(await Promise.all(terms.map(load)))
  }
  const isFirst = (at: number) => at === asked.findIndex(({ text }) => text === asked[at]!.text)
  const order = [...asked.keys()].filter(isFirst).sort((a, b) => counts[a]! - counts[b]!)
  const rarest = counts[order[0]!]! * bounds.titlesInBlock
  if (rarest > bounds.sample && (await byScore(given, { filter, match }, found, keysOf))) return
  const words: WordBlocks[][] = []
  for (const [index, at] of order.entries()) {
    words.push(await loader.load(asked[at]!))
    const next = order[index + 1]
    if (next === undefined) break
    const keys = scoredTitles(words)
    const worth = counts[next]! * bounds.titlesInBlock
    if (await among(given, { keys, filter, match, worth }, found, keysOf)) return
  }
  // By whole words alone a title that begins with the terms may seem only to have them; it was added before.
  found.add(matchTerms(await Promise.all(asked.map(loader.load))))
}

/**
 * Holds for each title that has a word that begins with `text`: joined words too are there when the blanks go.
 * What does not fit into `sort_title` may have any.
 */
const mayHave = ({ dialect }: Given, text: string) => sql`(
  ${dialect.contains(raw(`replace(a.sort_title, ' ', '')`), text)}
  or substring(a.sort_title, ${maxSortTitle - 10}, 11) <> '')`

const countUpTo = (match: number, keys: Float64Array) =>
  keys.filter((key) => rankOf(key) < (match + 1) * 1024).length

type KeysOf = (titles: Sql) => Promise<Float64Array>

/** Adds what matches of some titles, in the order of scores. False: it is worth more to read the next term. */
async function among(
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
async function byScore(
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
