import { LuaError } from './lua-library.ts'

/** Members by score, and by their bytes where the scores are equal. */
export class SortedSet {
  readonly scores = new Map<string, number>()
  sorted: string[] = []

  #before(member: string, score: number): (other: string) => boolean {
    return (other) => {
      const its = this.scores.get(other)!
      return its < score || (its === score && other < member)
    }
  }

  #place(before: (member: string) => boolean): number {
    let [low, high] = [0, this.sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (before(this.sorted[middle]!)) low = middle + 1
      else high = middle
    }
    return low
  }

  add(member: string, score: number): boolean {
    const isNew = !this.delete(member)
    this.sorted.splice(this.#place(this.#before(member, score)), 0, member)
    this.scores.set(member, score)
    return isNew
  }

  delete(member: string): boolean {
    const score = this.scores.get(member)
    if (score === undefined) return false
    this.sorted.splice(this.#place(this.#before(member, score)), 1)
    return this.scores.delete(member)
  }

  /** The members from one bound to another, each as `(5`, `5`, `-inf` or `+inf`. */
  between(from: string, to: string): string[] {
    const [low, high] = [boundOf(from), boundOf(to)]
    const start = this.#place((member) => {
      const score = this.scores.get(member)!
      return low.open ? score <= low.score : score < low.score
    })
    const end = this.#place((member) => {
      const score = this.scores.get(member)!
      return high.open ? score < high.score : score <= high.score
    })
    return this.sorted.slice(start, Math.max(start, end))
  }

  copy(): SortedSet {
    const copy = new SortedSet()
    copy.sorted = [...this.sorted]
    for (const [member, score] of this.scores) copy.scores.set(member, score)
    return copy
  }
}

export function boundOf(text: string): { score: number; open: boolean } {
  const open = text.startsWith('(')
  const score = floatOf(open ? text.slice(1) : text, 'ERR min or max is not a float')
  return { score, open }
}

export function floatOf(text: string, message = 'ERR value is not a valid float'): number {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) throw new LuaError(message)
  return Number(text)
}
