import { maxSortTitle, maxWordLength, type Term, termsOf } from '../../catalogue/words.ts'
import type { ReadDialect } from '../reads/session.ts'
import { every, raw, sql } from '../reads/sql.ts'
import { addBeginnings } from './beginnings.ts'
import {
  type BestBounds,
  type BestKeys,
  byScore,
  createBest,
  type Given,
  keysOfIds,
  keysOfSet,
} from './by-score.ts'
import { maxSpan } from './entries.ts'
import { type IdSet, idsIn, rangeOf } from './id-set.ts'
import { type Asked, createLoader, createLoaderOf, type Loader, wholeOf } from './load.ts'
import { classes, keyOf, matchTerms, scoredTitles } from './match.ts'
import type { RunSql } from './rows.ts'
import type { SetCache } from './set-cache.ts'
import { rarestFirst, titlesWithAll } from './with-all.ts'

const defaultBounds: BestBounds = {
  fewBeginnings: 6000,
  ranked: 1500,
  sample: 150,
  titlesInBlock: 2,
  metInTitle: 10,
}

export interface Best {
  count: number
  dialect: ReadDialect
  cache: SetCache
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
  { count, dialect, cache, bounds = defaultBounds }: Best,
): Promise<Float64Array | undefined> {
  const terms = termsOf(q)
  if (!terms.every(isPlain)) return undefined
  const given = { run, count, dialect, bounds }
  const loader = createLoader(run, cache)
  const found = createBest(count)
  if (!(await addBeginnings(given, terms, loader, found))) return undefined
  if (found.isComplete(keyOf(classes.words * 1024, 0))) return found.keys()
  const whole: Asked[] = terms.map(wholeOf)
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
 * Adds the best of the titles that have all terms. By whole words alone a title that begins with the terms
 * seems only to have them; it was added before.
 */
async function addMatches(given: Given, matches: Matches, found: BestKeys): Promise<void> {
  const { asked, loader } = matches
  if (!loader.keepsSets && (await addByTitles(given, matches, found))) return
  const set = await titlesWithAll(given.run, asked, loader)
  if (set.size > 0) await addBestOf(given, matches, set, found)
}

/** Adds the best of a set, by the way that reads the least. */
async function addBestOf(
  given: Given,
  { asked, match, loader }: Matches,
  set: IdSet,
  found: BestKeys,
) {
  const { count, bounds } = given
  const [rarest] = await rarestFirst(asked, loader)
  // All in numbers of titles: those of the set, those that are met by their scores until there are enough of them
  // (twice as many, since some have no score), and what the blocks are worth.
  const met = Math.ceil((2 * count * rangeOf(set)) / set.size)
  const blocks = rarest!.blocks * bounds.titlesInBlock
  if (set.size <= Math.min(met / bounds.metInTitle, blocks)) {
    found.add(await keysOfIds(given, match, Array.from(idsIn(set))))
    return
  }
  const most = blocks * bounds.metInTitle
  const keysIn = keysOfSet(given, match, set)
  if (met <= most && (await byScore(given, match, { first: met, most }, found, keysIn))) return
  found.add(scoredTitles(set, await loader.load(rarest!.term), match))
}

/** Adds what it can without the blocks of all words: while many titles match, from the best score on. */
async function addByTitles(
  given: Given,
  { terms, asked, match, loader }: Matches,
  found: BestKeys,
): Promise<boolean> {
  const { run, dialect, bounds } = given
  const [rarest] = await rarestFirst(asked, loader)
  if (rarest!.blocks * bounds.titlesInBlock <= bounds.sample) return false
  const by = raw(dialect.by('animes_score'))
  const filter = every(asked.map(({ text }) => mayHave(given, text)))
  const steps = { first: bounds.sample, most: bounds.ranked }
  return byScore(given, match, steps, found, async (range) => {
    const load = await createLoaderOf(run, sql`animes as a${by} where ${range} and ${filter}`)
    return matchTerms(await Promise.all(terms.map(load)))
  })
}

/**
 * Holds for each title that has a word that begins with `text`: joined words too are there when the blanks go.
 * What does not fit into `sort_title` may have any.
 */
const mayHave = ({ dialect }: Given, text: string) => sql`(
  ${dialect.contains(raw(`replace(a.sort_title, ' ', '')`), text)}
  or substring(a.sort_title, ${maxSortTitle - 10}, 11) <> '')`
