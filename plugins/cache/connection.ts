import { type ConnectionEvent, initialState, transition } from './connection-state.ts'
import type { Runtime } from './runtime.ts'

export interface ConnectionOptions {
  /** Makes sure that journal and instance share a history; `reset`: begin a new one. */
  attach: (reset: boolean) => Promise<boolean>
  /** Applies the outbox; false when some of it could not be applied. */
  drain: () => Promise<boolean>
  /** Milliseconds between reconnecting and use: other instances may need as long to reach Redis again. */
  settleDelay: number
  /** Milliseconds between two attempts. */
  retryDelay: number
  runtime: Runtime
  /** Called when use begins or ends, but not by the loss that follows `stop`. */
  onChange: (open: boolean) => void
}

/**
 * Rule 8. A circuit breaker around Redis: it carries out what the state machine of `connection-state.ts`
 * asks for, one step at a time, until the connection is open. A loss at any time starts over.
 */
export function createConnection(options: ConnectionOptions) {
  const { attach, drain, settleDelay, retryDelay, runtime, onChange } = options
  const stopped = new AbortController()
  let state = initialState(runtime.now())
  let losses = 0
  let running = false

  function dispatch(event: ConnectionEvent): void {
    const wasOpen = state.phase === 'open'
    state = transition(state, event)
    const isOpen = state.phase === 'open'
    if (isOpen !== wasOpen && !stopped.signal.aborted) onChange(isOpen)
  }

  /** Does the work of the present phase, and gives the event that ends it. */
  async function step(): Promise<ConnectionEvent> {
    switch (state.phase) {
      case 'attaching':
        return (await attach(state.mustReset)) ? { type: 'attached' } : { type: 'failed' }
      case 'draining':
        return (await drain()) ? { type: 'drained' } : { type: 'failed' }
      case 'settling':
        await runtime.sleep(settleDelay, stopped.signal)
        return { type: 'settled' }
      default:
        await runtime.sleep(retryDelay, stopped.signal)
        return { type: 'retry', late: runtime.now() - state.lostAt > settleDelay }
    }
  }

  async function run(): Promise<void> {
    if (running) return
    running = true
    while (state.phase !== 'open' && !stopped.signal.aborted) {
      const before = losses
      const event = await step().catch((): ConnectionEvent => ({ type: 'failed' }))
      // A step during which the connection was lost has proved nothing.
      if (losses === before && !stopped.signal.aborted) dispatch(event)
    }
    running = false
  }

  function interrupt(event: ConnectionEvent): void {
    losses += 1
    dispatch(event)
    if (!stopped.signal.aborted) void run()
  }

  return {
    get open() {
      return state.phase === 'open'
    },
    /** Journal and instance are of one history, as far as is known: in use, or about to be. */
    get attached() {
      return ['draining', 'settling', 'open'].includes(state.phase)
    },
    /** When use last ended, or the start, in milliseconds of `runtime.now`. */
    get lostAt() {
      return state.lostAt
    },
    start: () => void run(),
    /** A command failed; `corrupt`: what is in Redis cannot be read. */
    lose(corrupt = false) {
      // The reset that this asks for is on its way: a write that tries on must not hold it up.
      if (corrupt && state.mustReset) return
      interrupt({ type: 'lost', at: runtime.now(), corrupt })
    },
    /** The socket was closed. */
    close: () => interrupt({ type: 'closed', at: runtime.now() }),
    stop: () => stopped.abort(),
  }
}
