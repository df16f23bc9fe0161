/** Numbers that one seed decides (mulberry32). */
export function createRandom(seed: number) {
  let state = seed >>> 0

  /** 0 <= x < 1 */
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    /** A whole number, 0 <= x < limit */
    below,
    between: (low: number, high: number): number => low + next() * (high - low),
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(list: readonly T[]): T => list[below(list.length)]!,
    /** Another sequence, which draws from this one only once. */
    fork: () => createRandom(below(4_294_967_296)),
  }
}

export type Random = ReturnType<typeof createRandom>
