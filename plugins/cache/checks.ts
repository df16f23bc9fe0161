/** What is to be done for each of those who wait to hear whether the instance has caught up. */
export type Waiting = ((current: boolean) => void)[]

/**
 * Waits in `waiting`, and gives what `use` makes of the news. `use` runs in anybody's trace, among all
 * who wait: it has to be short, and what is to be traced or may take longer comes after the promise.
 */
export function waitIn<T>(waiting: Waiting, use: (current: boolean) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.push((current) => {
      try {
        resolve(use(current))
      } catch (error) {
        reject(error)
      }
    })
  })
}

/** Tells all at once, those who came last first: they are the ones still in the processor's caches. */
export function tellAll(waiting: Waiting, current: boolean): void {
  for (let at = waiting.length - 1; at >= 0; at -= 1) waiting[at]!(current)
}

/** Requests that share one read, and how they hear of it. */
interface Lot {
  size: number
  start: () => void
  /** What the read will say, once it is started. */
  answer: Promise<boolean>
  most: Waiting
  rest: Waiting
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
 * @returns waits for the next read, and gives what `use` makes of it
 */
export function shareReads(
  read: () => Promise<boolean>,
): <T>(use: (current: boolean) => T) => Promise<T> {
  let gathering: Lot | undefined
  let scheduled = false
  let unanswered = 0

  function join<T>(use: (current: boolean) => T): Promise<T> {
    gathering ??= open()
    gathering.size += 1
    if (!scheduled) setImmediate(endOfTurn)
    scheduled = true
    return waitIn(gathering.size % restOf === 0 ? gathering.rest : gathering.most, use)
  }

  /** A callback runs in the trace of whoever attached it: here of the request that came first. */
  function open(): Lot {
    const { promise, resolve } = Promise.withResolvers<void>()
    return { size: 0, start: resolve, answer: promise.then(read), most: [], rest: [] }
  }

  function endOfTurn(): void {
    scheduled = false
    send()
  }

  function send(): void {
    const lot = gathering
    if (lot === undefined || lot.size * 2 < unanswered) return
    gathering = undefined
    unanswered += lot.size
    lot.start()
    lot.answer.then((current) => {
      tellAll(lot.most, current)
      setImmediate(setImmediate, () => {
        unanswered -= lot.size
        send()
        tellAll(lot.rest, current)
      })
    })
  }

  return join
}
