/** A query for one key that other requests may wait for. */
export interface Flight<T> {
  outcome: Promise<T | undefined>
  settle: (result: T | undefined) => void
  /** Aborted when the clients of all requests that wait for the outcome have gone. */
  abandoned: AbortSignal
}

/** Made once: without a reason of ours each abort would make one, and its stack. */
export const clientsGone = new DOMException('the clients have gone', 'AbortError')

/** A flight, and how requests come to wait for it. */
interface Tracked<T> {
  flight: Flight<T>
  /** Counts a request; one whose client has gone waits no more. */
  addWaiter: (clientGone: AbortSignal | undefined) => void
}

function createFlight<T>(): Tracked<T> {
  const { promise: outcome, resolve: settle } = Promise.withResolvers<T | undefined>()
  const abandoned = new AbortController()
  let waiting = 0
  return {
    flight: { outcome, settle, abandoned: abandoned.signal },
    addWaiter(clientGone) {
      waiting += 1
      clientGone?.addEventListener('abort', () => {
        waiting -= 1
        if (waiting === 0) abandoned.abort(clientsGone)
      })
    },
  }
}

/**
 * Rule 7. Identical misses share a query (singleflight): one request is the leader and runs it, the others
 * are followers and wait. A request joins only a query that has not begun: the running one could miss a
 * write that ended after it began. So there is at most one running and one waiting for each key.
 */
export function createFlights<T>() {
  const running = new Map<string, Flight<T>>()
  const waiting = new Map<string, Tracked<T>>()

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
     * soon as the query before it has settled, and must settle it; followers get its outcome. `clientGone`
     * must not be aborted yet.
     */
    async join(
      key: string,
      clientGone?: AbortSignal,
    ): Promise<{ lead: Flight<T> } | { outcome: T | undefined }> {
      const before = running.get(key)
      const next = before === undefined ? undefined : waiting.get(key)
      if (next !== undefined) {
        next.addWaiter(clientGone)
        return { outcome: await next.flight.outcome }
      }
      const created = createFlight<T>()
      created.addWaiter(clientGone)
      if (before !== undefined) {
        waiting.set(key, created)
        await before.outcome
        waiting.delete(key)
      }
      return { lead: start(key, created.flight) }
    },
    /** Whether a query for `key` is running, so that `join` would wait. */
    isRunning: (key: string) => running.has(key),
  }
}
