import { entrySize } from './entries.ts'

/**
 * Ids of titles, each once: in order or, where that takes less, a bit for each number from 0 to the
 * greatest. Never changed once it is made.
 */
export interface IdSet {
  readonly size: number
  readonly ids?: Int32Array
  readonly bits?: Int32Array
}

/** How many numbers there are up to the greatest id, about. */
export const rangeOf = ({ ids, bits }: IdSet): number =>
  bits === undefined ? (ids!.at(-1) ?? 0) + 1 : bits.length * 32

export const bytesOf = ({ ids, bits }: IdSet): number => (ids ?? bits)!.byteLength

/** Of as many numbers there is one at least in a set that is made by a bit for each. */
const sparse = 1024

/** The titles of some blocks, those of one word after those of another. */
export function idSetOf(blocks: readonly Int32Array[]): IdSet {
  let [entries, greatest, isInOrder] = [0, 0, true]
  for (const block of blocks) {
    if (block.length === 0) continue
    entries += block.length / entrySize
    isInOrder &&= block[0]! >= greatest
    greatest = Math.max(greatest, block.at(-entrySize)!)
  }
  // To sort them takes longer, unless they are few.
  if (entries > greatest / (isInOrder ? 32 : sparse)) {
    const bits = new Int32Array((greatest >>> 5) + 1)
    for (const block of blocks) mark(bits, block)
    return ofBits(bits, countBits(bits))
  }
  const all = new Int32Array(entries)
  let length = 0
  for (const block of blocks) length = copyIds(block, all, length)
  if (!isInOrder) length = unique(all.subarray(0, length).sort())
  const ids = length === entries ? all : all.slice(0, length)
  return { size: length, ids }
}

/** Some ids, each once, in any order. */
export const setOfIds = (ids: readonly number[]): IdSet => ({
  size: ids.length,
  ids: Int32Array.from(ids).sort(),
})

// A function for a block, called for each, is compiled earlier than a loop over all of them.
function mark(bits: Int32Array, block: Int32Array) {
  for (let at = 0; at < block.length; at += entrySize) {
    const id = block[at]!
    bits[id >>> 5]! |= 1 << (id & 31)
  }
}

/** Puts ids after those that are there, without the one that is last already. Gives how many there are. */
function copyIds(block: Int32Array, ids: Int32Array, count: number): number {
  let length = count
  for (let at = 0; at < block.length; at += entrySize) {
    if (length > 0 && ids[length - 1] === block[at]) continue
    ids[length] = block[at]!
    length += 1
  }
  return length
}

/** Moves each of some sorted ids to the front, once. Gives how many there are. */
function unique(ids: Int32Array): number {
  let length = 0
  for (const id of ids) {
    if (length > 0 && ids[length - 1] === id) continue
    ids[length] = id
    length += 1
  }
  return length
}

const ofBits = (bits: Int32Array, size: number): IdSet =>
  size > bits.length ? { size, bits } : { size, ids: idsOfBits(bits, size) }

function idsOfBits(bits: Int32Array, size: number): Int32Array {
  const ids = new Int32Array(size)
  let length = 0
  for (let at = 0; at < bits.length; at += 1) {
    for (let rest = bits[at]!; rest !== 0; rest &= rest - 1) {
      ids[length] = at * 32 + 31 - Math.clz32(rest & -rest)
      length += 1
    }
  }
  return ids
}

/** The ids in order. */
export const idsIn = ({ size, ids, bits }: IdSet): Int32Array => ids ?? idsOfBits(bits!, size)

function countBits(bits: Int32Array): number {
  let count = 0
  for (let at = 0; at < bits.length; at += 1) count += ones(bits[at]!)
  return count
}

/** How many bits of 32 are set (Warren, Hacker's Delight, 5-1). */
function ones(word: number): number {
  const twos = word - ((word >>> 1) & 0x55555555)
  const fours = (twos & 0x33333333) + ((twos >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** What both sets have. */
export function intersection(a: IdSet, b: IdSet): IdSet {
  if (a.bits !== undefined && b.bits !== undefined) return bothBits(a.bits, b.bits)
  const [few, other] =
    a.bits === undefined && (b.bits !== undefined || a.size < b.size) ? [a, b] : [b, a]
  const ids = new Int32Array(few.size)
  const length =
    other.ids === undefined
      ? withBits(few.ids!, other.bits!, ids)
      : inBoth(few.ids!, other.ids, ids)
  return { size: length, ids: ids.subarray(0, length) }
}

function bothBits(a: Int32Array, b: Int32Array): IdSet {
  const bits = new Int32Array(Math.min(a.length, b.length))
  let size = 0
  for (let at = 0; at < bits.length; at += 1) {
    const both = a[at]! & b[at]!
    if (both === 0) continue
    bits[at] = both
    size += ones(both)
  }
  return ofBits(bits, size)
}

function withBits(ids: Int32Array, bits: Int32Array, found: Int32Array): number {
  let length = 0
  for (const id of ids) {
    if (!hasBit(bits, id)) continue
    found[length] = id
    length += 1
  }
  return length
}

function inBoth(ids: Int32Array, others: Int32Array, found: Int32Array): number {
  let [length, to] = [0, 0]
  for (const id of ids) {
    while (others[to]! < id) to += 1
    if (others[to] !== id) continue
    found[length] = id
    length += 1
  }
  return length
}

/** What any of some sets has. */
export function union(sets: readonly IdSet[]): IdSet {
  const range = sets.reduce((most, set) => Math.max(most, rangeOf(set)), 0)
  const sizes = sets.reduce((sum, { size }) => sum + size, 0)
  if (sizes > range / sparse) {
    const bits = new Int32Array((range + 31) >>> 5)
    for (const set of sets) addTo(bits, set)
    return ofBits(bits, countBits(bits))
  }
  const ids = new Int32Array(sizes)
  let length = 0
  for (const set of sets) {
    ids.set(idsIn(set), length)
    length += set.size
  }
  const size = unique(ids.sort())
  return { size, ids: ids.subarray(0, size) }
}

/** A bit for each id, in an array of the caller's own. */
export function bitsOf(set: IdSet): Int32Array {
  const bits = new Int32Array((rangeOf(set) + 31) >>> 5)
  addTo(bits, set)
  return bits
}

function addTo(bits: Int32Array, { ids, bits: others }: IdSet) {
  if (ids !== undefined) for (const id of ids) bits[id >>> 5]! |= 1 << (id & 31)
  else for (let at = 0; at < others!.length; at += 1) bits[at]! |= others![at]!
}

/** From one id to another, which is not of them. */
export type IdRange = readonly [from: number, to: number]

/** The set without the ids in some ranges. */
export function without(set: IdSet, ranges: readonly IdRange[]): IdSet {
  if (ranges.length === 0) return set
  if (set.bits === undefined) {
    const isKept = (id: number) => !ranges.some(([from, to]) => id >= from && id < to)
    const ids = set.ids!.filter(isKept)
    return { size: ids.length, ids }
  }
  const bits = set.bits.slice()
  for (const [from, to] of ranges) clear(bits, from, Math.min(to, bits.length * 32))
  return ofBits(bits, countBits(bits))
}

function clear(bits: Int32Array, from: number, to: number) {
  for (let id = from; id < to; ) {
    const isWhole = id % 32 === 0 && id + 32 <= to
    if (isWhole) bits[id >>> 5] = 0
    else bits[id >>> 5]! &= ~(1 << (id & 31))
    id += isWhole ? 32 : 1
  }
}

const hasBit = (bits: Int32Array, id: number) => ((bits[id >>> 5] ?? 0) & (1 << (id & 31))) !== 0

export const has = ({ ids, bits }: IdSet, id: number): boolean =>
  ids === undefined ? hasBit(bits!, id) : ids[placeOf(ids, id)] === id

/** Where, from a place on, the first id is that is not less: by steps that double, then by halves. */
export function placeOf(ids: Int32Array, id: number, from = 0): number {
  let [low, step] = [from, 1]
  while (low + step <= ids.length && ids[low + step - 1]! < id) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step, ids.length)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ids[middle]! < id) low = middle + 1
    else high = middle
  }
  return low
}

/** Reused: what is kept of a block. */
let scratch = new Int32Array(0)

/** The entries of a block whose titles are some ids. A loop that does no more than this is compiled early. */
export function entriesIn(block: Int32Array, ids: Int32Array): Int32Array {
  if (ids.length === 0) return ids
  if (block.length > scratch.length) scratch = new Int32Array(block.length)
  const kept = scratch
  let [length, to] = [0, 0]
  for (let at = 0; at < block.length; at += entrySize) {
    const id = block[at]!
    if (id > ids[to]!) to = placeOf(ids, id, to)
    if (to === ids.length) break
    if (id !== ids[to]) continue
    kept[length] = id
    kept[length + 1] = block[at + 1]!
    length += entrySize
  }
  return kept.slice(0, length)
}
