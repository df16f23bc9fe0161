import { AsyncLocalStorage } from 'node:async_hooks'

/** Requests that share one read, and how they hear of it. */
interface Lot {
  size: number
  /** Runs the read as the request that came first, so that its span is in that trace. */
  within: ReturnType<typeof AsyncLocalStorage.snapshot>
  most: PromiseWithResolvers<boolean>
  rest: PromiseWithResolvers<boolean>
}

/** Of so many requests of a lot one hears of the read when the next is on its way, if there is one soon. */
const restOf = 8

/**
 * Rule 4. Makes the requests of one turn of the event loop share a read, which is sent when the turn
 * ends: nobody joins a read already sent, which could have been answered before he arrived.
 *
 * A read costs as much as some requests do, so a small lot waits for the read under way, as small
 * segments do for an acknowledgement (RFC 896): it is sent at once when it is half as large as all
 * that wait, or else when they have been answered and their clients had a turn to come back. And while
 * Redis reads, the rest of the last lot is served, so that the loop is not idle meanwhile.
 *
 * @param read tells whether the instance has caught up; it never rejects
 */
export function shareReads(read: () => Promise<boolean>): () => Promise<boolean> {
  let gathering: Lot | undefined
  let scheduled = false
  let waiting = 0

  function join(): Promise<boolean> {
    gathering ??= {
      size: 0,
      within: AsyncLocalStorage.snapshot(),
      most: Promise.withResolvers(),
      rest: Promise.withResolvers(),
    }
    gathering.size += 1
    if (!scheduled) setImmediate(endOfTurn)
    scheduled = true
    return (gathering.size % restOf === 0 ? gathering.rest : gathering.most).promise
  }

  function endOfTurn(): void {
    scheduled = false
    send()
  }

  function send(): void {
    const lot = gathering
    if (lot === undefined || lot.size * 2 < waiting) return
    gathering = undefined
    waiting += lot.size
    lot.within(read).then((current) => {
      lot.most.resolve(current)
      setImmediate(setImmediate, () => {
        waiting -= lot.size
        send()
        lot.rest.resolve(current)
      })
    })
  }

  return join
}
