import { bytesOf, type IdSet } from './id-set.ts'

/** Bytes of sets that a reading thread keeps: those of some hundred frequent words of two million titles. */
export const setBytes = 24 * 1_048_576
/** A set of fewer rows is made anew, in less than a millisecond. */
const manyRows = 30
/** Words that wait for their sets, at most. */
const mostWanted = 500

/** The rows of some words in a snapshot: how many there are, and the greatest id. */
export interface RowState {
  count: number
  last: number
}

/** The rows of a word, in the order of their first titles. */
export interface KeptRows {
  ids: Float64Array
  firsts: Float64Array
}

/** A set of titles, and what rows it was made of. */
export interface KeptSet extends RowState {
  set: IdSet
  /** Of one word, so that the set can be brought up to date. */
  rows?: KeptRows
}

/**
 * Sets of the titles that have a word, or one of several, kept from one search to the next: `maxBytes` of
 * them, those that were used last.
 *
 * They are never stale. A row of `search_words` is inserted and deleted but never changed, and a new one has
 * a greater id than any before. So two snapshots in which some words have the same number of rows and the same
 * greatest id have the same rows of them: had one come, the greatest id would be another; had some
 * only gone, the number.
 */
export function createSetCache(maxBytes: number, leastRows = manyRows) {
  const kept = new Map<string, KeptSet>()
  const wanted = new Set<string>()
  let bytes = 0

  function drop(key: string) {
    const found = kept.get(key)
    if (found === undefined) return
    kept.delete(key)
    bytes -= costOf(found)
  }

  return {
    /** Whether the set of so many rows is kept. */
    keeps: (rows: number) => maxBytes > 0 && rows >= leastRows,
    /** What is kept of a word, or of several under a key of their own, if it was made of these rows. */
    get(key: string, { count, last }: RowState): KeptSet | undefined {
      const found = kept.get(key)
      if (found?.count !== count || found.last !== last) return undefined
      kept.delete(key)
      kept.set(key, found)
      return found
    },
    put(key: string, set: KeptSet) {
      drop(key)
      if (costOf(set) > maxBytes / 2) return
      kept.set(key, set)
      bytes += costOf(set)
      for (const oldest of kept.keys()) {
        if (bytes <= maxBytes) break
        drop(oldest)
      }
    },
    /** What is kept of a word, stale or not. */
    old: (word: string) => kept.get(word),
    /** The words that begin so of which something is kept, stale or not, in order. */
    words(beginning = ''): string[] {
      const words: string[] = []
      for (const [key, { rows }] of kept) {
        if (rows !== undefined && key.startsWith(beginning)) words.push(key)
      }
      return words.sort()
    },
    /** Notes that a search did without the set of a word. */
    want(word: string) {
      if (wanted.size < mostWanted) wanted.add(word)
    },
    /** Whether searches did without some. */
    get wants() {
      return wanted.size > 0
    },
    /** The words whose sets searches did without, each given once. */
    takeWanted(): string[] {
      const words = [...wanted]
      wanted.clear()
      return words
    },
    get bytes() {
      return bytes
    },
    /** Whether there is room for a few more. */
    get hasRoom() {
      return bytes < 0.9 * maxBytes
    },
  }
}

export type SetCache = ReturnType<typeof createSetCache>

/** With what is around it: some hundred bytes. */
const costOf = ({ set, rows }: KeptSet) =>
  bytesOf(set) + (rows === undefined ? 0 : rows.ids.byteLength + rows.firsts.byteLength) + 400
