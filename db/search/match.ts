import { entrySize, positionIn, positionsIn, scoreIn, spanIn } from './entries.ts'

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

/** Ids looked at in one go: what is kept for each of them stays in the processor's cache. */
const windowSize = 2 ** 18

/**
 * The keys of the titles that have every term, in no order. A term is the words that it matches, the
 * terms are in the order of the query.
 */
export const matchTerms = (terms: WordBlocks[][]): Float64Array => inWindows(terms, matchWindow)

/** The scores and ids of the titles that have every term, as keys of one class: less work than to rank them. */
export function scoredTitles(terms: WordBlocks[][]): Float64Array {
  const isOneWord = terms.length === 1 && terms[0]!.length === 1
  return isOneWord ? scoresIn(terms[0]![0]!.blocks) : inWindows(terms, scoreWindow)
}

/** The same of one word, whose entries are by id. */
function scoresIn(blocks: Int32Array[]): Float64Array {
  const keys = new Float64Array(blocks.reduce((sum, { length }) => sum + length / entrySize, 0))
  let [length, last] = [0, 0]
  for (const block of blocks) {
    for (let at = 0; at < block.length; at += entrySize) {
      const id = block[at]!
      if (id === last) continue
      keys[length] = keyOf(scoreIn(block[at + 1]!), id)
      last = id
      length += 1
    }
  }
  return keys.subarray(0, length)
}

function inWindows(
  terms: WordBlocks[][],
  keysIn: (terms: WordBlocks[][], lowest: number) => Float64Array,
): Float64Array {
  const found: Float64Array[] = []
  const blocks = terms.flatMap((words) => words.flatMap((word) => word.blocks))
  let lowest = 0
  for (;;) {
    lowest = nextId(blocks, lowest)
    if (lowest === Infinity) return concatenate(found, Float64Array)
    found.push(keysIn(terms, lowest))
    lowest += windowSize
  }
}

/** How many titles have every term: less work than to rank them. */
export function countTitles(terms: WordBlocks[][]): number {
  const blocks = terms.flatMap((words) => words.flatMap((word) => word.blocks))
  let count = 0
  for (let lowest = nextId(blocks, 0); lowest < Infinity; ) {
    const ids = idsWithAll(terms, lowest)
    for (const id of ids) slots[id] = 0
    count += ids.length
    lowest = nextId(blocks, lowest + windowSize)
  }
  return count
}

/** The least id from `lowest` on that a block may have. */
function nextId(blocks: Int32Array[], lowest: number): number {
  let next = Infinity
  for (const block of blocks) {
    if (block.length > 0 && block.at(-entrySize)! >= lowest) {
      next = Math.min(next, Math.max(block[0]!, lowest))
    }
  }
  return next
}

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

/** Reused: for each id of the window, how many terms it has, and its place among those that have all. */
const state = new Uint8Array(windowSize)
const slots = new Uint32Array(windowSize)

function matchWindow(terms: WordBlocks[][], lowest: number): Float64Array {
  const ids = idsWithAll(terms, lowest)
  const ranks = ranksOf(terms, lowest, ids)
  const keys = new Float64Array(ids.length)
  for (let slot = 0; slot < ids.length; slot += 1) {
    keys[slot] = keyOf(ranks[slot]!, lowest + ids[slot]!)
    slots[ids[slot]!] = 0
  }
  return keys
}

function scoreWindow(terms: WordBlocks[][], lowest: number): Float64Array {
  const ids = idsWithAll(terms, lowest)
  const keys = new Float64Array(ids.length)
  for (const block of smallestFirst(terms)[0]!.flatMap((word) => word.blocks)) {
    if (isOutside(block, lowest)) continue
    for (let at = 0; at < block.length; at += entrySize) {
      const offset = block[at]! - lowest
      if (offset < 0 || offset >= windowSize) continue
      const slot = slots[offset]! - 1
      if (slot >= 0) keys[slot] = keyOf(scoreIn(block[at + 1]!), block[at]!)
    }
  }
  for (const id of ids) slots[id] = 0
  return keys
}

const smallestFirst = (terms: WordBlocks[][]) => terms.toSorted((a, b) => sizeOf(a) - sizeOf(b))

/** How much there is to look at of a term. */
export const sizeOf = (words: WordBlocks[]): number =>
  words.reduce((sum, { blocks }) => sum + blocks.reduce((all, { length }) => all + length, 0), 0)

/** Offsets, from `lowest`, of the ids that every term has; their slots count from 1. */
function idsWithAll(terms: WordBlocks[][], lowest: number): Uint32Array {
  state.fill(0)
  let found = new Uint32Array(1024)
  let length = 0
  for (const [had, words] of smallestFirst(terms).entries()) {
    const isLast = had === terms.length - 1
    for (const block of words.flatMap((word) => word.blocks)) {
      if (isOutside(block, lowest)) continue
      for (let at = 0; at < block.length; at += entrySize) {
        const offset = block[at]! - lowest
        if (offset < 0 || offset >= windowSize || state[offset] !== had) continue
        state[offset] = had + 1
        if (!isLast) continue
        if (length === found.length) {
          const larger = new Uint32Array(length * 2)
          larger.set(found)
          found = larger
        }
        found[length] = offset
        length += 1
        slots[offset] = length
      }
    }
  }
  return found.subarray(0, length)
}

const isOutside = (block: Int32Array, lowest: number) =>
  block.length === 0 || block[0]! >= lowest + windowSize || block.at(-entrySize)! < lowest

/** Class and score of each id that was found. */
function ranksOf(terms: WordBlocks[][], lowest: number, ids: Uint32Array): Uint16Array {
  const count = ids.length
  const scores = new Uint16Array(count)
  // How many terms, from the first, are whole words; how many begin the title, and where those end.
  const whole = new Uint8Array(count)
  const matched = new Uint8Array(count)
  const ends = new Uint16Array(count)
  const isTitle = new Uint8Array(count)
  for (const [term, words] of terms.entries()) {
    const isLast = term === terms.length - 1
    for (const word of words) {
      for (const block of word.blocks) {
        if (isOutside(block, lowest)) continue
        for (let at = 0; at < block.length; at += entrySize) {
          const offset = block[at]! - lowest
          if (offset < 0 || offset >= windowSize) continue
          const slot = slots[offset]! - 1
          if (slot < 0) continue
          const place = block[at + 1]!
          scores[slot] = scoreIn(place)
          if (word.whole && whole[slot] === term) whole[slot] = term + 1
          if (positionIn(place) !== ends[slot]) continue
          if (isLast) {
            if (matched[slot]! < term) continue
            matched[slot] = term + 1
            if (word.whole && ends[slot]! + spanIn(place) === positionsIn(place)) isTitle[slot] = 1
          } else if (word.whole && matched[slot] === term) {
            matched[slot] = term + 1
            ends[slot]! += spanIn(place)
          }
        }
      }
    }
  }
  for (let slot = 0; slot < count; slot += 1) {
    const match = isTitle[slot]
      ? classes.title
      : matched[slot] === terms.length
        ? classes.begins
        : whole[slot] === terms.length
          ? classes.words
          : classes.prefixes
    scores[slot]! += match * 1024
  }
  return scores
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
