import {
  isInSortTitle,
  maxSortTitle,
  maxWordLength,
  type Term,
  termsOf,
} from '../../catalogue/words.ts'
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
import { has, type IdSet, idsIn, rangeOf } from './id-set.ts'
import { type Asked, createLoaderOf, wholeOf } from './load.ts'
import type { Loader } from './loader.ts'
import { classes, idOf, keyOf, matchTerms, scoredTitles } from './match.ts'
import { having, narrowed, rarestFirst } from './with-all.ts'

const defaultBounds: BestBounds = {
  fewBeginnings: 16_000,
  joined: 10,
  ranked: 1500,
  sample: 150,
  titlesInBlock: 4,
  metInTitle: 10,
  scoredInTitle: 40,
}

export interface Best {
  count: number
  bounds?: BestBounds
}

/**
 * The keys of the `count` best matches of `q`, in order, as a search for all gives them; or undefined where
 * it takes that: the titles that begin so, by the index of `sort_title`; then those that have all words
 * whole, then those that have words that begin so, from the best score on.
 */
export async function findBest(
  loader: Loader,
  q: string,
  { count, bounds = defaultBounds }: Best,
): Promise<Float64Array | undefined> {
  const terms = termsOf(q)
  if (!terms.every(isPlain)) return undefined
  const given = { loader, count, bounds }
  const found = createBest(count)
  if (!(await addBeginnings(given, terms, found))) return undefined
  if (found.isComplete(keyOf(classes.words * 1024, 0))) return found.keys()
  const whole: Asked[] = terms.map(wholeOf)
  await addMatches(given, { terms, asked: whole, match: classes.words }, found)
  if (found.isComplete(keyOf(classes.prefixes * 1024, 0))) return found.keys()
  // A word that no other begins with is whole in any case.
  const asked: Asked[] = []
  for (const [at, term] of terms.entries()) {
    asked.push((await loader.isWord(term)) ? whole[at]! : term)
  }
  if (asked.some((term, at) => term !== whole[at])) {
    await addMatches(given, { terms, asked, match: classes.prefixes }, found)
  }
  return found.keys()
}

/** Whether a term stands in `sort_title` as a title's words have it. Two runs may be one there. */
const isPlain = ({ text, cjk }: Term, at: number, terms: Term[]) =>
  text.length < (cjk ? maxSpan : maxWordLength) &&
  isInSortTitle(text) &&
  !(cjk && terms[at + 1]?.cjk)

interface Matches {
  terms: Term[]
  /** The terms, or their words whole. */
  asked: Asked[]
  /** What a title that is met is at best; better ones were added before. */
  match: number
}

/**
 * Adds the best of the titles that have all terms. By whole words alone a title that begins with the terms
 * seems only to have them; it was added before.
 */
async function addMatches(given: Given, matches: Matches, found: BestKeys): Promise<void> {
  const { loader } = given
  const { asked, match } = matches
  for (;;) {
    const { set, rest, cost } = await narrowed(asked, loader)
    for (const term of rest) await loader.want(term)
    const known = asked.filter((term) => !rest.includes(term))
    if (set !== undefined) {
      if (set.size === 0) return
      const titles = { set, asked: known, match }
      if (rest.length === 0) return addBestOf(given, titles, found)
      const most = cost * loader.bounds.textsInBlock
      if (await addVerified(given, { ...titles, rest, most }, found)) return
    } else if (await addByTitles(given, matches, found)) return
    // It costs nothing from now on.
    await loader.set(rest[0]!)
  }
}

/** Titles that have all of some terms. */
interface Titles {
  set: IdSet
  asked: Asked[]
  match: number
}

/** Adds the best of a set, by the way that reads the least. */
async function addBestOf(
  given: Given,
  { set, asked, match }: Titles,
  found: BestKeys,
): Promise<void> {
  const { loader, count, bounds } = given
  const [rarest] = await rarestFirst(asked, loader)
  // All in numbers of titles: those of the set, those that are met by their scores until there are enough of them
  // (twice as many, since some have no score), and what the blocks are worth.
  const met = Math.ceil((2 * count * rangeOf(set)) / set.size)
  const blocks = rarest!.blocks * bounds.titlesInBlock + set.size / bounds.scoredInTitle
  if (set.size <= Math.min(met / bounds.metInTitle, blocks)) {
    found.add(await keysOfIds(given, match, idsIn(set)))
    return
  }
  const most = blocks * bounds.metInTitle
  const keysIn = keysOfSet(given, match, set)
  if (met <= most && (await byScore(given, match, { first: met, most }, found, keysIn))) return
  found.add(scoredTitles(set, await loader.load(rarest!.term), match))
}

/**
 * Adds those of a set that have the rest of the terms too, which their texts say, from the best score on. False: it
 * would be more than `most` texts.
 */
async function addVerified(
  given: Given,
  { rest, most, ...titles }: Titles & { rest: Asked[]; most: number },
  found: BestKeys,
): Promise<boolean> {
  let [verified, hits] = [0, 0]
  for (let count = 2 * given.count; ; ) {
    const best = createBest(count)
    await addBestOf({ ...given, count }, titles, best)
    const keys = best.keys()
    // The first of them are those of the last time.
    const others = keys.subarray(verified)
    const had = await having(given.loader.session, Array.from(others, idOf), rest)
    found.add(others.filter((key) => has(had, idOf(key))))
    if (keys.length < count || found.isComplete(keys.at(-1)!)) return true
    verified = keys.length
    hits += had.size
    const needed = (count * given.count) / Math.max(hits, 0.5)
    if (needed > most) return false
    count = Math.ceil(Math.max(1.2 * needed, 2 * count))
  }
}

/** Adds what it can without the blocks of all words: while many titles match, from the best score on. */
async function addByTitles(
  given: Given,
  { terms, asked, match }: Matches,
  found: BestKeys,
): Promise<boolean> {
  const { rows: run, dialect } = given.loader.session
  const { bounds } = given
  const by = raw(dialect.by('animes_score'))
  const filter = every(asked.map(({ text }) => mayHave(dialect, text)))
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
const mayHave = (dialect: ReadDialect, text: string) => sql`(
  ${dialect.contains(raw(`replace(a.sort_title, ' ', '')`), text)}
  or substring(a.sort_title, ${maxSortTitle - 10}, 11) <> '')`
