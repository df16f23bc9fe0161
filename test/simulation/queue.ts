/** What has a time, the time at which it was due, and an order among all of one time. */
interface Timed {
  time: number
  due: number
  order: number
}

const before = (a: Timed, b: Timed) =>
  a.time < b.time ||
  (a.time === b.time && (a.due < b.due || (a.due === b.due && a.order < b.order)))

/** Events by their time, the earliest first (a binary heap). */
export function createQueue<T extends Timed>() {
  const heap: T[] = []

  function push(event: T): void {
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  function pop(): T | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }

  /** Takes one out, wherever it is. */
  function remove(event: T): void {
    heap.splice(heap.indexOf(event), 1)
    heap.sort((a, b) => (before(a, b) ? -1 : 1))
  }

  return { all: heap as readonly T[], push, pop, remove }
}
