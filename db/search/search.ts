import { type Term, termsOf } from '../../catalogue/words.ts'
import { raw, sql } from '../reads/sql.ts'
import { type Asked, createLoader, createLoaderOf, type Loader } from './load.ts'
import { countTitles, idOf, matchTerms, sizeOf, type WordBlocks } from './match.ts'
import { wordsOneOff } from './one-off.ts'
import type { RunSql } from './rows.ts'

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
export async function findTitles(run: RunSql, q: string, narrow?: Narrow): Promise<Found> {
  const terms = termsOf(q)
  const loader = createLoader(run)
  const keysOf = async (asked: Asked[]) => {
    const keys = await keysOfAll(run, asked, loader)
    if (narrow === undefined || keys.length === 0) return keys
    const passing = await narrow(Array.from(keys, idOf))
    return keys.filter((key) => passing.has(idOf(key)))
  }
  const keys = await keysOf(terms)
  return keys.length > 0 ? { keys } : correct(run, terms, loader, keysOf)
}

/** What `findTitles` gives where nothing is known to match the words of `q` themselves. */
export async function findCorrected(run: RunSql, q: string): Promise<Found> {
  const loader = createLoader(run)
  return correct(run, termsOf(q), loader, (asked) => keysOfAll(run, asked, loader))
}

/** So many titles are looked at themselves, and so many blocks are not worth that. */
const fewTitles = 500
const fewBlocks = 20

/** The titles that have all of several terms: the rarest first and, once few titles are left, by those. */
async function keysOfAll(
  run: RunSql,
  asked: Asked[],
  { load, count }: Loader,
): Promise<Float64Array> {
  if (asked.length === 1) return matchTerms([await load(asked[0]!)])
  const counts: number[] = []
  for (const term of asked) {
    const blocks = await count(term)
    if (blocks === 0) return new Float64Array()
    counts.push(blocks)
  }
  const order = [...asked.keys()].sort((a, b) => counts[a]! - counts[b]!)
  const words: WordBlocks[][] = []
  let loadSome: typeof load | undefined
  for (const at of order) {
    const before = words.filter((each) => each !== undefined)
    if (loadSome === undefined && before.length > 0 && counts[at]! > fewBlocks) {
      // More entries than that, of one word, are more titles too.
      const isMany = before.length === 1 && sizeOf(before[0]!) > 4 * fewTitles
      const left = isMany ? Infinity : countTitles(before)
      if (left === 0) return new Float64Array()
      if (left <= fewTitles) {
        const ids = Array.from(matchTerms(before), idOf).join(', ')
        loadSome = await createLoaderOf(run, sql`animes as a where a.id in (${raw(ids)})`)
      }
    }
    words[at] = await (loadSome ?? load)(asked[at]!)
    if (words[at].length === 0) return new Float64Array()
  }
  return matchTerms(words)
}

/** Fewest words changed; of those the most titles; of those the first by the alphabet. */
async function correct(
  run: RunSql,
  terms: Term[],
  { count }: Loader,
  keysOf: (asked: Asked[]) => Promise<Float64Array>,
): Promise<Found> {
  const none = { keys: new Float64Array() }
  const choices: Choices[] = []
  for (const term of terms) {
    const words = term.cjk ? [] : await wordsOneOff(run, term.text)
    const others = words.map((text) => ({ text, cjk: false, exact: true }))
    const own = (await count(term)) > 0 ? term : undefined
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
