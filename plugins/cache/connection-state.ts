/*
 * The state machine of the connection to Redis (rule 8), without I/O.
 *
 *   phase       event                            next phase
 *   attaching   attached                         draining
 *   draining    drained                          open; settling if it must settle and has not yet
 *   settling    settled                          attaching
 *   open        lost                             attaching, at once
 *   down        retry                            attaching
 *   the others  failed, lost                     down
 *
 * The socket `closed` counts as lost, but before the first attachment there is nothing to lose.
 */

export type Phase =
  /** Waiting for the next attempt. */
  | 'down'
  /** Bringing journal and instance to one history. */
  | 'attaching'
  /** Applying the outbox. */
  | 'draining'
  /** Waiting until every other instance must have reached Redis again; then all of it once more. */
  | 'settling'
  /** In use. */
  | 'open'

export interface ConnectionState {
  readonly phase: Phase
  /** The connection has been attached before. */
  readonly attached: boolean
  /** Writes of other instances may be in the outbox alone: settle before use. */
  readonly mustSettle: boolean
  /** It has settled since the loss. */
  readonly settled: boolean
  /** What is in Redis cannot be read: the next epoch begins without it. */
  readonly mustReset: boolean
  /** When use ended, or the start; milliseconds of a monotonic clock. */
  readonly lostAt: number
}

export type ConnectionEvent =
  /** A command failed. `corrupt`: what is in Redis cannot be read. */
  | { type: 'lost'; at: number; corrupt: boolean }
  /** The socket was closed. */
  | { type: 'closed'; at: number }
  | { type: 'failed' }
  /** Time for another attempt. `late`: the loss is longer ago than the settle delay. */
  | { type: 'retry'; late: boolean }
  | { type: 'attached' }
  | { type: 'drained' }
  | { type: 'settled' }

export const initialState = (now: number): ConnectionState => ({
  phase: 'attaching',
  attached: false,
  mustSettle: false,
  settled: false,
  mustReset: false,
  lostAt: now,
})

/** The state after an event. An event that does not belong to the phase changes nothing. */
export function transition(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  const { phase } = state
  switch (event.type) {
    case 'closed':
      // A server that has never been there has never been lost.
      if (!state.attached) return { ...state, phase: 'down' }
      return transition(state, { type: 'lost', at: event.at, corrupt: false })
    case 'lost':
      return {
        ...state,
        phase: phase === 'open' ? 'attaching' : 'down',
        mustSettle: true,
        settled: false,
        mustReset: state.mustReset || event.corrupt,
        lostAt: phase === 'open' ? event.at : state.lostAt,
      }
    case 'failed':
      return { ...state, phase: 'down', settled: false }
    case 'retry':
      if (phase !== 'down') return state
      return { ...state, phase: 'attaching', mustSettle: state.mustSettle || event.late }
    case 'attached':
      if (phase !== 'attaching') return state
      return { ...state, phase: 'draining', attached: true, mustReset: false }
    case 'drained':
      if (phase !== 'draining') return state
      return { ...state, phase: state.mustSettle && !state.settled ? 'settling' : 'open' }
    case 'settled':
      if (phase !== 'settling') return state
      return { ...state, phase: 'attaching', settled: true }
  }
}
