import { afterPrefix, type Term, termsOf } from '../../catalogue/words.ts'
import { join, raw, sql } from '../reads/sql.ts'
import { fromBytes } from './entries.ts'
import { type Asked, createLoader, createLoaderOf, type Loader } from './load.ts'
import {
  boundOfPrefix,
  countTitles,
  idOf,
  least,
  matchTerms,
  sizeOf,
  type WordBlocks,
} from './match.ts'
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

/** Combinations of other words that are tried at the most. */
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
        loadSome = await createLoaderOf(run, Array.from(matchTerms(before), idOf))
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

/** Blocks looked at before a search for a few becomes a search for all, and at a time. */
const maxBlocks = 160
const blocksAtATime = 8

/**
 * The keys of the `count` best matches of `q`, in order, or undefined where it takes a search for all: of
 * one word, the blocks that have nothing better than what was found already are not read.
 */
export async function findBest(
  run: RunSql,
  { q, count, limit }: { q: string; count: number; limit: (count: number) => string },
): Promise<Float64Array | undefined> {
  const [term, ...others] = termsOf(q)
  if (others.length > 0 || (term!.cjk && [...term!.text].length > 1)) return undefined
  const { text, cjk } = term!
  const first = sql`order by best ${raw(limit(maxBlocks + 1))}`
  const whole = await run(sql`select id, best from search_words where word = ${text} ${first}`)
  const longer = await run(sql`select id, best from search_words
    where word > ${text} and word < ${afterPrefix(text)} ${first}`)
  const boundOf = cjk ? Number : boundOfPrefix
  const blocks = [
    ...whole.map(([id, best]) => ({ id: Number(id), bound: Number(best) })),
    ...longer.map(([id, best]) => ({ id: Number(id), bound: boundOf(Number(best)) })),
  ].sort((a, b) => a.bound - b.bound)
  if (blocks.length === 0) return undefined
  const words: WordBlocks[] = []
  for (let at = 0; at < Math.min(blocks.length, maxBlocks); at += blocksAtATime) {
    const ids = blocks.slice(at, at + blocksAtATime).map(({ id }) => sql`${id}`)
    const rows = await run(
      sql`select word, entries from search_words where id in (${join(ids, ', ')})`,
    )
    for (const [word, bytes] of rows as [string, Uint8Array][]) {
      words.push({ whole: cjk || word === text, blocks: [fromBytes(bytes)] })
    }
    const found = least(matchTerms([words]), count)
    const next = blocks[at + blocksAtATime]
    if (next === undefined || (found.length === count && found.at(-1)! <= next.bound)) {
      return found
    }
  }
  return undefined
}
