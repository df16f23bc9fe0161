import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createConnection } from '../../../plugins/cache/connection.ts'
import {
  type ConnectionEvent,
  type ConnectionState,
  initialState,
  type Phase,
  transition,
} from '../../../plugins/cache/connection-state.ts'
import { systemRuntime } from '../../../plugins/cache/runtime.ts'
import { until } from '../../support/until.ts'

const lost: ConnectionEvent = { type: 'lost', at: 50, corrupt: false }
const closed: ConnectionEvent = { type: 'closed', at: 50 }
const retry: ConnectionEvent = { type: 'retry', late: false }
const [attached, drained, settled, failed] = (
  ['attached', 'drained', 'settled', 'failed'] as const
).map((type): ConnectionEvent => ({ type })) as [
  ConnectionEvent,
  ConnectionEvent,
  ConnectionEvent,
  ConnectionEvent,
]

const after = (...events: ConnectionEvent[]) => events.reduce(transition, initialState(0))

/** Every state that some sequence of events leads to. */
function reachable(): ConnectionState[] {
  const events = [
    ...[lost, closed, retry, attached, drained, settled, failed],
    { type: 'lost', at: 50, corrupt: true } as const,
    { type: 'retry', late: true } as const,
  ]
  const found = new Map<string, ConnectionState>()
  const pending = [initialState(0)]
  for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
    const name = JSON.stringify(state)
    if (found.has(name)) continue
    found.set(name, state)
    for (const event of events) pending.push(transition(state, event))
  }
  return [...found.values()]
}

t.test(
  'a first start opens without waiting; after a loss it settles and drains again',
  async (t) => {
    t.equal(after(attached, drained).phase, 'open')
    t.equal(after(attached, drained, lost).phase, 'attaching', 'at once')
    t.equal(after(attached, drained, lost, attached, drained).phase, 'settling')
    const again = after(attached, drained, lost, attached, drained, settled)
    t.equal(again.phase, 'attaching')
    t.equal(after(attached, drained, lost, attached, drained, settled, attached).phase, 'draining')
    t.equal([attached, drained].reduce(transition, again).phase, 'open')
  },
)

t.test('a server that was never there, and comes late, is settled for too', async (t) => {
  t.equal(after(closed, retry, attached, drained).phase, 'open')
  const late = after(closed, { type: 'retry', late: true }, attached, drained)
  t.equal(late.phase, 'settling')
})

t.test('no sequence of events opens a connection that is not attached and drained', async (t) => {
  const states = reachable()
  t.ok(states.length > 20, `${states.length} states`)
  for (const state of states) {
    const opening = [attached, drained, settled, failed, retry, lost, closed].filter(
      (event) => state.phase !== 'open' && transition(state, event).phase === 'open',
    )
    t.ok(
      opening.every(({ type }) => type === 'drained') &&
        (opening.length === 0 || state.phase === 'draining'),
    )
    if (opening.length > 0 && state.mustSettle) t.ok(state.settled, 'a loss has been settled for')
    for (const event of [lost, closed, failed]) {
      const next: Phase = transition(state, event).phase
      t.ok(next === 'down' || (state.phase === 'open' && next === 'attaching'))
      t.notOk(transition(state, event).settled, 'and settling starts over')
    }
  }
})

t.test('damage is remembered until a new epoch has begun', async (t) => {
  const corrupt: ConnectionEvent = { type: 'lost', at: 50, corrupt: true }
  const damaged = after(attached, drained, corrupt, failed, retry)
  t.ok(damaged.mustReset)
  t.notOk(transition(damaged, attached).mustReset)
})

t.test('the time of a loss is that of the end of use', async (t) => {
  const down = after(attached, drained, lost)
  t.equal(down.lostAt, 50)
  t.equal(transition(down, { ...lost, at: 90 } as ConnectionEvent).lostAt, 50)
})

t.test('writes that meet damage again and again do not hold up the reset', async (t) => {
  const resets: boolean[] = []
  let damaged = true
  const connection = createConnection({
    attach: async (reset) => {
      resets.push(reset)
      await sleep(30)
      if (reset) damaged = false
      return !damaged
    },
    drain: async () => true,
    settleDelay: 1,
    retryDelay: 40,
    runtime: systemRuntime,
    onChange: () => {},
  })
  t.teardown(() => connection.stop())
  const writes = setInterval(() => damaged && connection.lose(true), 10)
  t.teardown(() => clearInterval(writes))
  connection.start()
  await until('it is in use', () => connection.open)
  t.ok(resets.includes(true))
})
