import { visitWords } from '../../catalogue/words.ts'

/**
 * An entry says that a title has a word: two numbers of 32 bits, the title's id and its place. Blocks of
 * them, by id, are what `search_words` holds for each word. The place is, from the highest bit:
 * 10 bits how far the score is from the best (1001: no score), 9 the position of the word in the title,
 * 9 the number of positions of the title, 4 how many positions the word fills.
 */
export const entrySize = 2
/** Entries of a block at most: 8 KiB, which is what a write rewrites for each word of its title. */
const maxBlock = 1024

/** The rank of an unknown score. */
export const noScore = 1001
/** Hundredths below 10.00; what is not known comes last. */
export const rankOfScore = (score: number | null): number =>
  score === null ? noScore : Math.round((10 - score) * 100)

const placeOf = (score: number, position: number, positions: number, span: number) =>
  (score << 22) | (position << 13) | (positions << 4) | span
export const scoreIn = (place: number): number => place >>> 22
export const positionIn = (place: number): number => (place >>> 13) & 511
export const positionsIn = (place: number): number => (place >>> 4) & 511
/** More positions do not fit into a place. */
export const maxSpan = 15
export const spanIn = (place: number): number => place & maxSpan
/** The place with another span. */
export const withSpan = (place: number, span: number): number => (place & ~15) | (span & 15)
/** Instead of a place: every entry of this title goes. Its score is one that no title has. */
const gone = -1

/** The change of one word's blocks: ids whose entries go, then entries that come; both by id. */
export interface WordChange {
  word: string
  removed: Set<number>
  added: Int32Array
}

/** What writes change in the words, gathered until it is applied; 12 bytes an entry. */
export function createWordChanges() {
  const numbers = new Map<string, number>()
  let columns = { word: new Int32Array(256), id: new Int32Array(256), place: new Int32Array(256) }
  let length = 0

  function push(word: string, id: number, place: number) {
    let number = numbers.get(word)
    if (number === undefined) {
      number = numbers.size
      numbers.set(word, number)
    }
    if (length === columns.id.length) columns = grown(columns)
    columns.word[length] = number
    columns.id[length] = id
    columns.place[length] = place
    length += 1
  }

  /** The entries of a title as it now is, for all that its words have of it. Gives its `sortTitle`. */
  function add(id: number, title: string, score: number | null): string {
    const from = length
    const rank = rankOfScore(score)
    const { positions, sortTitle } = visitWords(title, (word, position, span) =>
      push(word, id, placeOf(rank, position, 0, span)),
    )
    for (let at = from; at < length; at += 1) columns.place[at]! |= positions << 4
    return sortTitle
  }

  /** The entries of a title as it was. */
  function remove(id: number, title: string) {
    visitWords(title, (word) => push(word, id, gone))
  }

  /** The changes by word, and forgets them. */
  function take(): WordChange[] {
    const coming = new Uint32Array(numbers.size)
    for (let at = 0; at < length; at += 1) {
      if (columns.place[at] !== gone) coming[columns.word[at]!]! += 1
    }
    const changes = [...numbers.keys()].map((word, number) => ({
      word,
      removed: new Set<number>(),
      added: new Int32Array(coming[number]! * entrySize),
    }))
    const filled = new Uint32Array(numbers.size)
    const order = orderById(columns.id, length)
    for (let index = 0; index < length; index += 1) {
      const at = order === undefined ? index : order[index]!
      const number = columns.word[at]!
      if (columns.place[at] === gone) {
        changes[number]!.removed.add(columns.id[at]!)
        continue
      }
      const { added } = changes[number]!
      const to = filled[number]!
      added[to] = columns.id[at]!
      added[to + 1] = columns.place[at]!
      filled[number] = to + entrySize
    }
    numbers.clear()
    length = 0
    return changes
  }

  return {
    add,
    remove,
    take,
    get size() {
      return length
    },
  }
}

type Columns = Record<'word' | 'id' | 'place', Int32Array<ArrayBuffer>>

function grown(columns: Columns): Columns {
  const larger = (column: Int32Array) => {
    const copy = new Int32Array(column.length * 2)
    copy.set(column)
    return copy
  }
  return { word: larger(columns.word), id: larger(columns.id), place: larger(columns.place) }
}

/** The entries by id, those of one title as they came; undefined when they are so already. */
function orderById(id: Int32Array, length: number): Uint32Array | undefined {
  for (let at = 1; at < length; at += 1) {
    if (id[at]! < id[at - 1]!) {
      return Uint32Array.from({ length }, (_, each) => each).sort(
        (a, b) => id[a]! - id[b]! || a - b,
      )
    }
  }
  return undefined
}

/** A block as it is stored: `id` is the row's, `first` the least title id it may hold. */
export interface Block {
  id?: number
  first: number
  entries: Int32Array
}

/**
 * `blocks` of one word, in their order, with a change applied: which of them go, and what comes in
 * their place. The first block of a word begins at 0, so that each id has a block to be in.
 */
export function applyChange(
  blocks: Block[],
  { removed, added }: Pick<WordChange, 'removed' | 'added'>,
): { dropped: Block[]; made: Block[] } {
  // A word that is new, as most of an import's are.
  if (blocks.length === 0) return { dropped: [], made: added.length > 0 ? split(0, added) : [] }
  const dropped: Block[] = []
  const made: Block[] = []
  let at = 0
  for (const [index, block] of blocks.entries()) {
    const end = blocks[index + 1]?.first ?? Infinity
    const from = at
    while (at < added.length && added[at]! < end) at += entrySize
    const coming = added.subarray(from, at)
    const kept = without(block.entries, replaced(block.entries, removed, coming))
    if (coming.length === 0 && kept.length === block.entries.length) continue
    if (block.id !== undefined) dropped.push(block)
    made.push(...split(block.first, merge(kept, coming)))
  }
  // Nothing is left of the word, or an empty block that only says that it begins at 0.
  return { dropped, made: made.filter(({ first, entries }) => first === 0 || entries.length > 0) }
}

/** What comes stands for all entries of its title: applied twice, a change is applied once. */
function replaced(entries: Int32Array, removed: Set<number>, coming: Int32Array): Set<number> {
  if (coming.length === 0 || entries.length === 0 || coming[0]! > entries.at(-entrySize)!) {
    return removed
  }
  return new Set([...removed, ...coming.filter((_, at) => at % entrySize === 0)])
}

function without(entries: Int32Array, removed: Set<number>): Int32Array {
  if (removed.size === 0) return entries
  const kept = new Int32Array(entries.length)
  let length = 0
  for (let at = 0; at < entries.length; at += entrySize) {
    if (removed.has(entries[at]!)) continue
    kept[length] = entries[at]!
    kept[length + 1] = entries[at + 1]!
    length += entrySize
  }
  return kept.subarray(0, length)
}

function merge(a: Int32Array, b: Int32Array): Int32Array {
  const merged = new Int32Array(a.length + b.length)
  if (a.length === 0 || b.length === 0 || a.at(-entrySize)! <= b[0]!) {
    merged.set(a)
    merged.set(b, a.length)
    return merged
  }
  let [i, j] = [0, 0]
  for (let at = 0; at < merged.length; at += entrySize) {
    const fromA = j >= b.length || (i < a.length && a[i]! <= b[j]!)
    const [source, from] = fromA ? [a, i] : [b, j]
    merged[at] = source[from]!
    merged[at + 1] = source[from + 1]!
    if (fromA) i += entrySize
    else j += entrySize
  }
  return merged
}

/** Blocks of `maxBlock` at most; a title's entries stay together. */
function split(first: number, entries: Int32Array): Block[] {
  const most = maxBlock * entrySize
  if (entries.length <= most) return [{ first, entries }]
  const blocks: Block[] = []
  let from = 0
  while (from < entries.length) {
    // What follows a full block is the end of the list, which grows, or a half that has room.
    let to = entries.length - from <= most ? entries.length : from + most / 2
    while (to < entries.length && entries[to] === entries[to - entrySize]) to += entrySize
    blocks.push({ first: from === 0 ? first : entries[from]!, entries: entries.slice(from, to) })
    from = to
  }
  return blocks
}

export const toBytes = (entries: Int32Array): Uint8Array =>
  new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength)

/** Copied where the bytes stand at an odd place of their buffer. */
export function fromBytes(bytes: Uint8Array): Int32Array {
  const even = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Int32Array(even.buffer, even.byteOffset, even.byteLength / 4)
}
