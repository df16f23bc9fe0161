import type { Runtime } from './runtime.ts'

/**
 * Lets so many requests go on in each turn of the event loop, in the order in which they come. Where many come
 * at once, what is quicker to answer has its turn between them.
 *
 * @returns for each request undefined, when it may go on at once, or a promise of its turn
 */
export function takeTurns(
  perTurn: number,
  { immediate }: Pick<Runtime, 'immediate'>,
): () => Promise<void> | undefined {
  const waiting: (() => void)[] = []
  let left = perTurn
  let scheduled = false

  function take(): void {
    left -= 1
    if (!scheduled) immediate(nextTurn)
    scheduled = true
  }

  function nextTurn(): void {
    scheduled = false
    left = perTurn
    for (const resolve of waiting.splice(0, perTurn)) {
      take()
      resolve()
    }
  }

  return () => {
    if (left > 0) return void take()
    return new Promise((resolve) => waiting.push(resolve))
  }
}
