import type { Runtime } from './runtime.ts'

/**
 * Lets requests of so many names go on in each turn of the event loop, in the order in which the names come.
 * Requests of one name go together, so that they can share a query. Where many come at once, what is quicker to
 * answer has its turn between them.
 *
 * @returns for a request undefined, when it may go on at once, or a promise of its turn
 */
export function takeTurns(
  perTurn: number,
  { immediate }: Pick<Runtime, 'immediate'>,
): (name: string) => Promise<void> | undefined {
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  /** The names that go on in this turn. */
  const going = new Set<string>()

  function go(name: string): void {
    if (going.size === 0) immediate(nextTurn)
    going.add(name)
  }

  function nextTurn(): void {
    going.clear()
    for (const [name, { resolve }] of waiting) {
      if (going.size === perTurn) return
      waiting.delete(name)
      go(name)
      resolve()
    }
  }

  return (name) => {
    if (going.has(name)) return undefined
    if (going.size < perTurn) return void go(name)
    let group = waiting.get(name)
    if (group === undefined) {
      group = Promise.withResolvers()
      waiting.set(name, group)
    }
    return group.promise
  }
}
