import { maxSortTitle, maxWordLength, type Term, termsOf } from '../../catalogue/words.ts'
import type { ReadDialect } from '../reads/session.ts'
import { every, raw, type Sql, sql } from '../reads/sql.ts'
import { addBeginnings } from './beginnings.ts'
import {
  among,
  type BestBounds,
  type BestKeys,
  byScore,
  createBest,
  type Given,
} from './by-score.ts'
import { maxSpan } from './entries.ts'
import { type Asked, createLoader, createLoaderOf, type Loader } from './load.ts'
import { classes, keyOf, matchTerms, scoredTitles, type WordBlocks } from './match.ts'
import type { RunSql } from './rows.ts'

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

/** Whether a term stands in `sort_title` as a title's words have it. Two runs may be one there. */
const isPlain = ({ text, cjk }: Term, at: number, terms: Term[]) =>
  text.length < (cjk ? maxSpan : maxWordLength) &&
  !/[\ud7fb\ue000-\uffff]/.test(text) &&
  !(cjk && terms[at + 1]?.cjk)

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
