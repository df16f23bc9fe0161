import { entrySize, positionIn, positionsIn, scoreIn, spanIn } from './entries.ts'
import { bitsOf, entriesIn, type IdSet, idSetOf, idsIn, intersection, placeOf } from './id-set.ts'

/** The blocks of one word, by id. `whole`: the term is all of the word, not only its beginning. */
export interface WordBlocks {
  whole: boolean
  blocks: Int32Array[]
}

/**
 * How well a title matches: the whole title, begins so, all words whole, prefixes; then the score. A
 * number that is less for a better match, and with the id after it a key that no two titles share.
 */
export const classes = { title: 0, begins: 1, words: 2, prefixes: 3 } as const
const idRange = 2 ** 31
export const idOf = (key: number): number => key % idRange
/** The class and the score of a key. */
export const rankOf = (key: number): number => Math.floor(key / idRange)
export const keyOf = (rank: number, id: number): number => rank * idRange + id

/** The keys of the titles that have every term. A term is the words that it matches, the terms are in the order of the query. */
export const matchTerms = (terms: WordBlocks[][]): Float64Array =>
  rankTitles(terms.map((words) => idSetOf(blocksOf(words))).reduce(intersection), terms)

export const blocksOf = (words: WordBlocks[]): Int32Array[] => words.flatMap(({ blocks }) => blocks)

/** The parts one after the other; a single one is given as it is. */
export function concatenate<T extends Float64Array | Int32Array>(
  parts: T[],
  TypedArray: new (length: number) => T,
): T {
  if (parts.length === 1) return parts[0]!
  const whole = new TypedArray(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The keys of the titles of a set, all of which have every term. */
export function rankTitles(set: IdSet, terms: WordBlocks[][]): Float64Array {
  const ids = idsIn(set)
  const titles: Ranked = {
    ids,
    scores: new Uint16Array(ids.length),
    whole: new Uint8Array(ids.length),
    matched: new Uint8Array(ids.length),
    ends: new Uint16Array(ids.length),
    isTitle: new Uint8Array(ids.length),
  }
  for (const [term, words] of terms.entries()) {
    const isLast = term === terms.length - 1
    for (const { whole, blocks } of words) {
      for (const block of blocks)
        rankEntries(titles, entriesIn(block, ids), { term, isLast, isWhole: whole })
    }
  }
  const keys = new Float64Array(ids.length)
  for (let at = 0; at < keys.length; at += 1) {
    keys[at] = keyOf(classOf(titles, at, terms.length) * 1024 + titles.scores[at]!, ids[at]!)
  }
  return keys
}

/** What is known of each of some titles. */
interface Ranked {
  ids: Int32Array
  scores: Uint16Array
  /** How many terms, from the first, are whole words; how many begin the title, and where those end. */
  whole: Uint8Array
  matched: Uint8Array
  ends: Uint16Array
  isTitle: Uint8Array
}

interface WordOf {
  term: number
  isLast: boolean
  isWhole: boolean
}

function rankEntries(titles: Ranked, entries: Int32Array, { term, isLast, isWhole }: WordOf) {
  const { ids, scores, whole, matched, ends, isTitle } = titles
  let slot = 0
  for (let at = 0; at < entries.length; at += entrySize) {
    slot = placeOf(ids, entries[at]!, slot)
    const place = entries[at + 1]!
    scores[slot] = scoreIn(place)
    if (isWhole && whole[slot] === term) whole[slot] = term + 1
    if (positionIn(place) !== ends[slot]) continue
    if (isLast) {
      if (matched[slot]! < term) continue
      matched[slot] = term + 1
      if (isWhole && ends[slot]! + spanIn(place) === positionsIn(place)) isTitle[slot] = 1
    } else if (isWhole && matched[slot] === term) {
      matched[slot] = term + 1
      ends[slot]! += spanIn(place)
    }
  }
}

function classOf({ whole, matched, isTitle }: Ranked, slot: number, terms: number): number {
  if (isTitle[slot]) return classes.title
  if (matched[slot] === terms) return classes.begins
  return whole[slot] === terms ? classes.words : classes.prefixes
}

/** The keys of the titles of a set by their scores, which a term that all of them have says, all of one class. */
export function scoredTitles(set: IdSet, words: WordBlocks[], match: number): Float64Array {
  const keys = new Float64Array(set.size)
  const left = bitsOf(set)
  let length = 0
  for (const block of blocksOf(words)) length = scoreEntries(block, left, match, keys, length)
  return keys.subarray(0, length)
}

/** Takes the titles of a block out of a set, and adds their keys to those that are there. Gives how many there are. */
function scoreEntries(
  block: Int32Array,
  left: Int32Array,
  match: number,
  keys: Float64Array,
  count: number,
) {
  let length = count
  for (let at = 0; at < block.length; at += entrySize) {
    const id = block[at]!
    const bit = 1 << (id & 31)
    if ((left[id >>> 5]! & bit) === 0) continue
    left[id >>> 5]! &= ~bit
    keys[length] = keyOf(match * 1024 + scoreIn(block[at + 1]!), id)
    length += 1
  }
  return length
}

/** The `count` least of `keys` above `after`, in order. */
export function least(keys: Float64Array, count: number, after = -1): Float64Array {
  const heap = new Float64Array(Math.min(count, keys.length))
  let length = 0
  for (const key of keys) {
    if (key <= after) continue
    if (length < heap.length) {
      heap[length] = key
      length += 1
      if (length === heap.length && length < keys.length) heap.sort().reverse()
    } else if (key < heap[0]!) sink(heap, key)
  }
  return heap.subarray(0, length).sort()
}

/** Puts `key` in the place of the greatest of a heap. */
function sink(heap: Float64Array, key: number) {
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! > heap[child]!) child += 1
    if (heap[child]! <= key) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = key
}
