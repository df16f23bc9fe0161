import { afterPrefix, pairsOf, type Term, termsOf } from '../../catalogue/words.ts'
import { join, raw, sql } from '../reads/sql.ts'
import { entrySize, fromBytes, positionIn, withSpan } from './entries.ts'
import { boundOfPrefix, idOf, least, matchTerms, type WordBlocks } from './match.ts'
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
  const load = wordLoader(run)
  const keysOf = async (asked: Asked[]) => {
    const words: WordBlocks[][] = []
    // Long words first: they are the ones that no title may have.
    const order = [...asked.keys()].sort((a, b) => asked[b]!.text.length - asked[a]!.text.length)
    for (const at of order) {
      words[at] = await load(asked[at]!)
      if (words[at].length === 0) return new Float64Array()
    }
    const keys = matchTerms(words)
    if (narrow === undefined || keys.length === 0) return keys
    const passing = await narrow(Array.from(keys, idOf))
    return keys.filter((key) => passing.has(idOf(key)))
  }
  const keys = await keysOf(terms)
  return keys.length > 0 ? { keys } : correct(run, terms, keysOf)
}

/** A term, or the word that stands for it: all of that, not its beginning. */
type Asked = Term & { exact?: boolean }

/** Fewest words changed; of those the most titles; of those the first by the alphabet. */
async function correct(
  run: RunSql,
  terms: Term[],
  keysOf: (asked: Asked[]) => Promise<Float64Array>,
): Promise<Found> {
  const others: Asked[][] = []
  for (const { text, cjk } of terms) {
    const words = cjk ? [] : await wordsOneOff(run, text)
    others.push(words.map((word) => ({ text: word, cjk: false, exact: true })))
  }
  let tries = 0
  for (let changes = 1; changes <= terms.length; changes += 1) {
    let best: Found = { keys: new Float64Array() }
    for (const asked of combinations(terms, others, changes)) {
      const keys = await keysOf(asked)
      if (keys.length > best.keys.length) {
        best = { keys, corrected: asked.map(({ text }) => text).join(' ') }
      }
      tries += 1
      if (tries === maxTries) return best
    }
    if (best.keys.length > 0) return best
  }
  return { keys: new Float64Array() }
}

/** Every way to change exactly `changes` of the terms. */
function* combinations(terms: Term[], others: Asked[][], changes: number): Generator<Asked[]> {
  if (terms.length < changes) return
  if (terms.length === 0) {
    yield []
    return
  }
  const [term, ...rest] = terms
  const [words, ...restWords] = others
  if (changes > 0) {
    for (const word of words!) {
      for (const after of combinations(rest, restWords, changes - 1)) yield [word, ...after]
    }
  }
  for (const after of combinations(rest, restWords, changes)) yield [term!, ...after]
}

/** Gives the blocks of the words that a term matches; reads each once. */
function wordLoader(run: RunSql) {
  const loaded = new Map<string, Promise<WordBlocks[]>>()
  return (asked: Asked): Promise<WordBlocks[]> => {
    const { text, cjk, exact = false } = asked
    const key = `${exact ? '=' : '^'}${text}`
    let words = loaded.get(key)
    if (words === undefined) {
      words = cjk && [...text].length > 1 ? loadRun(run, text) : loadWords(run, asked)
      loaded.set(key, words)
    }
    return words
  }
}

async function loadWords(run: RunSql, { text, cjk, exact }: Asked): Promise<WordBlocks[]> {
  const which = exact ? sql`word = ${text}` : sql`word >= ${text} and word < ${afterPrefix(text)}`
  const rows = await run(
    sql`select word, entries from search_words where ${which} order by word, first_id`,
  )
  const words = new Map<string, WordBlocks>()
  for (const [word, bytes] of rows as [string, Uint8Array][]) {
    let blocks = words.get(word)
    if (blocks === undefined) {
      // A character of a run is whole in itself.
      blocks = { whole: cjk || word === text, blocks: [] }
      words.set(word, blocks)
    }
    blocks.blocks.push(fromBytes(bytes))
  }
  return [...words.values()]
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

/** The titles that have a run of characters, found by its pairs one after the other. */
async function loadRun(run: RunSql, text: string): Promise<WordBlocks[]> {
  const pairs = pairsOf(text)
  let begun: Int32Array | undefined
  for (const [at, pair] of pairs.entries()) {
    const words = await loadWords(run, { text: pair, cjk: true, exact: true })
    const entries = concatenate(words.flatMap(({ blocks }) => blocks))
    begun = begun === undefined ? entries : followedBy(begun, entries, at)
    if (begun.length === 0) return []
  }
  const span = pairs.length + 1
  return [
    { whole: true, blocks: [begun!.map((value, at) => (at % 2 ? withSpan(value, span) : value))] },
  ]
}

function concatenate(blocks: Int32Array[]): Int32Array {
  const whole = new Int32Array(blocks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const block of blocks) {
    whole.set(block, at)
    at += block.length
  }
  return whole
}

/** The entries of `begun` with one of `next` in the same title, `distance` positions on. */
function followedBy(begun: Int32Array, next: Int32Array, distance: number): Int32Array {
  const kept: number[] = []
  let to = 0
  for (let at = 0; at < begun.length; at += entrySize) {
    const [id, place] = [begun[at]!, begun[at + 1]!]
    const position = positionIn(place) + distance
    while (to < next.length && next[to]! < id) to += entrySize
    // A character may stand in a title several times; entries of a title are in order.
    for (let same = to; same < next.length && next[same] === id; same += entrySize) {
      if (positionIn(next[same + 1]!) === position) kept.push(id, place)
    }
  }
  return Int32Array.from(kept)
}
