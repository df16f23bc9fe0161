import { afterPrefix, type Term } from '../../catalogue/words.ts'
import { join, raw, type Sql, sql } from '../reads/sql.ts'
import { type BestKeys, byScore, type Given, keysOfIds, keysOfRows, keysOfSet } from './by-score.ts'
import { type Asked, type Loader, wholeOf } from './load.ts'
import { classes, idOf, keyOf } from './match.ts'
import { titlesWithAll } from './with-all.ts'

/**
 * Adds the best titles that begin with `q`, those that are all of it first. False: that cannot be told from
 * `sort_title`.
 */
export async function addBeginnings(
  given: Given,
  terms: Term[],
  loader: Loader,
  found: BestKeys,
): Promise<boolean> {
  if (await isJoinedSomewhere(given, terms)) return false
  const q = terms.map(({ text }) => text).join(' ')
  // Its last word may be the beginning of one.
  const asked = terms.map((term, at) => (at < terms.length - 1 ? wholeOf(term) : term))
  const end = sql`a.sort_title < ${afterPrefix(q)}`
  const ranges = [
    [classes.title, sql`a.sort_title = ${q}`],
    [classes.begins, sql`a.sort_title > ${q} and ${end}`],
  ] as const
  for (const [match, range] of ranges) {
    await addRange(given, { match, range, asked, loader }, found)
    if (found.isComplete(keyOf((match + 1) * 1024, 0))) return true
  }
  return true
}

interface Range {
  match: number
  range: Sql
  /** What the titles of the range have, and some others. */
  asked: Asked[]
  loader: Loader
}

async function addRange(given: Given, titles: Range, found: BestKeys): Promise<void> {
  const { run, count, dialect, bounds } = given
  const { match, range } = titles
  const by = raw(dialect.by('animes_sort_title'))
  const few = bounds.fewBeginnings
  const some = sql`select a.id from animes as a${by} where ${range}
    order by a.sort_title ${raw(dialect.limit(few + 1))}`
  const [row] = await run(sql`select count(*) from (${some}) as x`)
  if (Number(row![0]) > few && (await addByScore(given, titles, found))) return
  // Both databases hold null to be least.
  const best = await run(sql`select a.id, a.score from animes as a${by} where ${range}
    order by a.score desc, a.id ${raw(dialect.limit(count))}`)
  found.add(keysOfRows(match, best))
}

/** The titles that are met are read, each of them or, if they would be too many, those that have the words. */
async function addByScore(
  given: Given,
  { match, range, asked, loader }: Range,
  found: BestKeys,
): Promise<boolean> {
  const { run, bounds, dialect } = given
  const by = raw(dialect.by('animes_score'))
  const few = { first: bounds.sample, most: loader.keepsSets ? 2 * bounds.sample : bounds.ranked }
  const isEnough = await byScore(given, match, few, found, async (scores) => {
    const titles = sql`animes as a${by} where ${scores} and ${range}`
    return keysOfRows(match, await run(sql`select a.id, a.score from ${titles}`))
  })
  if (isEnough || !loader.keepsSets) return isEnough
  const keysIn = keysOfSet(given, match, await titlesWithAll(run, asked, loader))
  const [first, most] = [bounds.sample, bounds.ranked].map((titles) => titles * bounds.metInTitle)
  return byScore(given, match, { first: first!, most: most! }, found, async (scores) => {
    const keys = await keysIn(scores)
    return keysOfIds(given, match, Array.from(keys, idOf), range)
  })
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
  let prefixes: [text: string, taken: number][] = [['', 0]]
  while (prefixes.length > 0) {
    const tried = prefixes.flatMap(([text, taken]) => {
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
    prefixes = met.map(({ text, taken }) => [text, taken])
  }
  return false
}
