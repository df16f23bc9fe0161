import { afterPrefix, type Term } from '../../catalogue/words.ts'
import { join, raw, type Sql, sql } from '../reads/sql.ts'
import { type BestKeys, byScore, createBest, type Given, keysOfRows } from './by-score.ts'
import { idsIn } from './id-set.ts'
import { createLoaderOf } from './load.ts'
import { classes, idOf, keyOf, matchTerms } from './match.ts'
import { narrowed, titlesOf } from './with-all.ts'

/**
 * Adds the best titles that begin with `q`, those that are all of it first. False: that cannot be told from
 * `sort_title`.
 */
export async function addBeginnings(
  given: Given,
  terms: Term[],
  found: BestKeys,
): Promise<boolean> {
  const q = terms.map(({ text }) => text).join(' ')
  const joined = await joinedTexts(given, terms)
  if (joined === undefined) return false
  for (const match of [classes.title, classes.begins]) {
    found.add(await bestOfRange(given, match, rangeOf(match, q)))
    for (const text of joined) {
      if (!(await addJoined(given, { terms, match, text }, found))) return false
    }
    if (found.isComplete(keyOf((match + 1) * 1024, 0))) return true
  }
  return true
}

/** The titles `a` whose normal form is a text, or begins with it. */
const rangeOf = (match: number, text: string): Sql =>
  match === classes.title
    ? sql`a.sort_title = ${text}`
    : sql`a.sort_title > ${text} and a.sort_title < ${afterPrefix(text)}`

/** The best of a range: sorted or, if it is large, met by their scores. */
async function bestOfRange(given: Given, match: number, range: Sql): Promise<Float64Array> {
  const { loader, count, bounds } = given
  const { rows: run, dialect } = loader.session
  const by = raw(dialect.by('animes_sort_title'))
  const few = bounds.fewBeginnings
  const some = sql`select a.id from animes as a${by} where ${range}
    order by a.sort_title ${raw(dialect.limit(few + 1))}`
  const [row] = await run(sql`select count(*) as n from (${some}) as x`)
  if (Number(row![0]) > few) {
    const byScores = raw(dialect.by('animes_score'))
    const steps = { first: bounds.sample, most: bounds.ranked }
    const found = createBest(count)
    const isEnough = await byScore(given, match, steps, found, async (scores) => {
      const titles = sql`animes as a${byScores} where ${scores} and ${range}`
      return keysOfRows(match, await run(sql`select a.id, a.score from ${titles}`))
    })
    if (isEnough) return found.keys()
  }
  // Both databases hold null to be least.
  const best = await run(sql`select a.id, a.score from animes as a${by} where ${range}
    order by a.score desc, a.id ${raw(dialect.limit(count))}`)
  return keysOfRows(match, best)
}

interface Joined {
  terms: Term[]
  match: number
  text: string
}

/** Adds the best of those titles that begin with `text` and have the words of `q`: some of theirs are joined. */
async function addJoined(given: Given, { terms, match, text }: Joined, found: BestKeys) {
  const { loader, count, bounds } = given
  const { rows: run, dialect } = loader.session
  const add = async (ids: ArrayLike<number>) => {
    const load = await createLoaderOf(run, titlesOf(dialect, ids))
    found.add(matchTerms(await Promise.all(terms.map(load))))
  }
  const most = bounds.joined * count
  const best = await bestOfRange({ ...given, count: most }, match, rangeOf(match, text))
  const better = best.filter((key) => !found.isComplete(key))
  if (better.length > 0) await add(Array.from(better, idOf))
  if (best.length < most || found.isComplete(best.at(-1)!)) return true
  // Most that begin so do not have the words.
  const { set, rest } = await narrowed(terms, loader)
  if (set === undefined || rest.length > 0 || set.size > loader.bounds.fewTitles) return false
  await add(idsIn(set))
  return true
}

/**
 * Other words with which a title may begin that has those of `q`: `Steins;Gate` has `steinsgate` too. Titles in
 * which the first blank that is one too many stands at any of its places, and so on to the end. Undefined: there
 * are too many ways.
 */
async function joinedTexts({ loader }: Given, terms: Term[]): Promise<string[] | undefined> {
  const { rows: run, dialect } = loader.session
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
  const texts: string[] = []
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
    if (tried.length > 200) return undefined
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
    texts.push(...met.filter(({ whole }) => whole).map(({ text }) => text))
    prefixes = met.filter(({ whole }) => !whole).map(({ text, taken }) => [text, taken])
  }
  return texts
}
