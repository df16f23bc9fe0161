/** A query for a key: what comes of it, for those who wait. */
export interface Flight<T> {
  outcome: Promise<T | undefined>
  land: (result: T | undefined) => void
}

const flight = <T>(): Flight<T> => {
  const { promise: outcome, resolve: land } = Promise.withResolvers<T | undefined>()
  return { outcome, land }
}

/**
 * Rule 7. One query a key: identical misses share one, but a request joins only a query that has not
 * started yet. So there is at most one running and one waiting; joining the running one could miss a
 * write that finished since it began.
 */
export function createFlights<T>() {
  const running = new Map<string, Flight<T>>()
  const waiting = new Map<string, Flight<T>>()

  function depart(key: string, started: Flight<T>): Flight<T> {
    running.set(key, started)
    started.outcome.then(() => {
      if (running.get(key) === started) running.delete(key)
    })
    return started
  }

  return {
    /**
     * Joins the waiting query for `key`, or leads one. A leader gets `lead` as soon as the query
     * before it has landed, and must call its `land`; the others get what it landed with.
     */
    async join(key: string): Promise<{ lead: Flight<T> } | { landed: T | undefined }> {
      const before = running.get(key)
      if (before === undefined) return { lead: depart(key, flight()) }
      const next = waiting.get(key)
      if (next !== undefined) return { landed: await next.outcome }
      const lead = flight<T>()
      waiting.set(key, lead)
      await before.outcome
      waiting.delete(key)
      return { lead: depart(key, lead) }
    },
    /** Whether a query for `key` is under way, so that `join` would wait. */
    busy: (key: string) => running.has(key),
    get size() {
      return running.size + waiting.size
    },
  }
}

export type Flights<T> = ReturnType<typeof createFlights<T>>
