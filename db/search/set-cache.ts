import { bytesOf, type IdSet } from './id-set.ts'

/** Bytes of sets that a reading thread keeps: those of some ninety frequent words of two million titles. */
export const setBytes = 24 * 1_048_576
/** A set of fewer rows is made anew: they are read in less than half a millisecond. */
const manyRows = 50

/** The rows of some words in a snapshot: how many there are, and the greatest id. */
export interface RowState {
  count: number
  last: number
}

/**
 * Sets of titles that have a word, kept from one search to the next: `maxBytes` of them, those that were
 * used last.
 *
 * They are never stale. A row of `search_words` is inserted and deleted but never changed, and a new one has
 * a greater id than any before. So two snapshots in which words have the same number of rows and the same
 * greatest id have the same rows of these words: had one come, the greatest id would be another; had some
 * only gone, the number.
 */
export function createSetCache(maxBytes: number, leastRows = manyRows) {
  const kept = new Map<string, RowState & { set: IdSet }>()
  let bytes = 0

  function drop(key: string) {
    const found = kept.get(key)
    if (found === undefined) return
    kept.delete(key)
    bytes -= costOf(found.set)
  }

  return {
    /** Whether anything is kept at all. */
    keeps: maxBytes > 0,
    /** The set of the words that `key` stands for, if it was made of these rows. */
    get(key: string, { count, last }: RowState): IdSet | undefined {
      const found = kept.get(key)
      if (found?.count !== count || found.last !== last) return undefined
      kept.delete(key)
      kept.set(key, found)
      return found.set
    },
    put(key: string, { count, last }: RowState, set: IdSet) {
      drop(key)
      if (count < leastRows || costOf(set) > maxBytes / 2) return
      kept.set(key, { count, last, set })
      bytes += costOf(set)
      for (const oldest of kept.keys()) {
        if (bytes <= maxBytes) break
        drop(oldest)
      }
    },
    get bytes() {
      return bytes
    },
  }
}

export type SetCache = ReturnType<typeof createSetCache>

/** With what is around it: some hundred bytes. */
const costOf = (set: IdSet) => bytesOf(set) + 400
