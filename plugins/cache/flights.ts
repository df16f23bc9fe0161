/** A query for one key that other requests may wait for. */
export interface Flight<T> {
  outcome: Promise<T | undefined>
  settle: (result: T | undefined) => void
}

const createFlight = <T>(): Flight<T> => {
  const { promise: outcome, resolve: settle } = Promise.withResolvers<T | undefined>()
  return { outcome, settle }
}

/**
 * Rule 7. Identical misses share a query (singleflight), but a request joins only a query that has not
 * begun. So there is at most one running and one waiting for each key. Joining the running one could
 * miss a write that ended after it began.
 */
export function createFlights<T>() {
  const running = new Map<string, Flight<T>>()
  const waiting = new Map<string, Flight<T>>()

  function start(key: string, flight: Flight<T>): Flight<T> {
    running.set(key, flight)
    void flight.outcome.then(() => {
      if (running.get(key) === flight) running.delete(key)
    })
    return flight
  }

  return {
    /**
     * Joins the query for `key` that is waiting, or becomes the leader of one. A leader gets its flight as
     * soon as the query before it has settled, and must settle it; followers get its outcome.
     */
    async join(key: string): Promise<{ lead: Flight<T> } | { outcome: T | undefined }> {
      const before = running.get(key)
      if (before === undefined) return { lead: start(key, createFlight()) }
      const next = waiting.get(key)
      if (next !== undefined) return { outcome: await next.outcome }
      const flight = createFlight<T>()
      waiting.set(key, flight)
      await before.outcome
      waiting.delete(key)
      return { lead: start(key, flight) }
    },
    /** Whether a query for `key` is running, so that `join` would wait. */
    isRunning: (key: string) => running.has(key),
  }
}

export type Flights<T> = ReturnType<typeof createFlights<T>>
