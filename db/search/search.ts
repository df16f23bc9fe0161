import { type Term, termsOf } from '../../catalogue/words.ts'
import { idsIn } from './id-set.ts'
import { type Asked, createLoaderOf } from './load.ts'
import type { Loader } from './loader.ts'
import { idOf, matchTerms, rankTitles } from './match.ts'
import { wordsOneOff } from './one-off.ts'
import { titlesOf, titlesWithAll } from './with-all.ts'

export interface Found {
  /** One for each title that matches; see match.ts. In no order. */
  keys: Float64Array
  /** What was looked for instead, when nothing matches the query itself. */
  corrected?: string
}

/** Those of some ids that other filters let pass. */
type Narrow = (ids: number[]) => Promise<ReadonlySet<number>>

/** How many combinations of other words are tried at most. */
const maxTries = 200

/**
 * Finds the titles that match `q`, and that `narrow` lets pass; if there are none, those that do when
 * words of it are one letter off. What does not pass has no say in that: an answer is as its own titles
 * make it. All statements must see one moment.
 */
export async function findTitles(loader: Loader, q: string, narrow?: Narrow): Promise<Found> {
  const terms = termsOf(q)
  const keysOf = async (asked: Asked[]) => {
    const keys = await keysOfAll(asked, loader)
    if (narrow === undefined || keys.length === 0) return keys
    const passing = await narrow(Array.from(keys, idOf))
    return keys.filter((key) => passing.has(idOf(key)))
  }
  const keys = await keysOf(terms)
  return keys.length > 0 ? { keys } : correct(terms, loader, keysOf)
}

/** What `findTitles` gives where nothing is known to match the words of `q` themselves. */
export const findCorrected = (loader: Loader, q: string): Promise<Found> =>
  correct(termsOf(q), loader, (asked) => keysOfAll(asked, loader))

/** The titles that have all of several terms, ranked. */
async function keysOfAll(asked: Asked[], loader: Loader): Promise<Float64Array> {
  if (asked.length === 1) return matchTerms([await loader.load(asked[0]!)])
  const { rows, dialect } = loader.session
  const set = await titlesWithAll(asked, loader)
  if (set.size === 0) return new Float64Array()
  const load =
    set.size <= loader.bounds.fewTitles
      ? await createLoaderOf(rows, titlesOf(dialect, idsIn(set)))
      : loader.load
  return rankTitles(set, await Promise.all(asked.map(load)))
}

/** Fewest words changed; of those the most titles; of those the first by the alphabet. */
async function correct(
  terms: Term[],
  { session, count, set }: Loader,
  keysOf: (asked: Asked[]) => Promise<Float64Array>,
): Promise<Found> {
  const none = { keys: new Float64Array() }
  const choices: Choices[] = []
  for (const term of terms) {
    const words = term.cjk ? [] : await wordsOneOff(session.rows, term.text)
    const others = words.map((text) => ({ text, cjk: false, exact: true }))
    // A run may have all its pairs apart.
    const isThere = term.cjk ? (await set(term)).size > 0 : (await count(term)) > 0
    const own = isThere ? term : undefined
    if (own === undefined && others.length === 0) return none
    choices.push({ own, others })
  }
  let tries = 0
  const fewest = Math.max(1, choices.filter(({ own }) => own === undefined).length)
  for (let changes = fewest; changes <= terms.length; changes += 1) {
    let best: Found = none
    for (const asked of combinations(choices, changes)) {
      const keys = await keysOf(asked)
      if (keys.length > best.keys.length) {
        best = { keys, corrected: asked.map(({ text }) => text).join(' ') }
      }
      tries += 1
      if (tries === maxTries) return best
    }
    if (best.keys.length > 0) return best
  }
  return none
}

/** What may be looked for in the place of a term: itself, unless no title has it, or other words. */
interface Choices {
  own: Asked | undefined
  others: Asked[]
}

/** Every way to change exactly `changes` of the terms; each step leads to one. */
export function* combinations(choices: Choices[], changes: number): Generator<Asked[]> {
  if (choices.filter(({ own }) => own === undefined).length > changes) return
  if (choices.filter(({ others }) => others.length > 0).length < changes) return
  const [first, ...rest] = choices
  if (first === undefined) {
    yield []
    return
  }
  if (changes > 0) {
    for (const word of first.others) {
      for (const after of combinations(rest, changes - 1)) yield [word, ...after]
    }
  }
  if (first.own === undefined) return
  for (const after of combinations(rest, changes)) yield [first.own, ...after]
}
