import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { OutboxRow } from '../../../db/outbox.ts'
import { createRelay } from '../../../plugins/cache/relay.ts'
import { until } from '../../support/until.ts'

function relayOver(t: Test, read: () => Promise<OutboxRow[]>) {
  const applied: number[] = []
  let reads = 0
  const relay = createRelay({
    read: () => {
      reads += 1
      return read()
    },
    remove: async (ids) => void applied.push(...ids),
    journal: { relay: async () => true },
    every: 5,
    idleAfter: 200,
    wakeLimit: 100,
    onError: () => {},
  })
  t.teardown(() => relay.stop())
  relay.start()
  /** Waits until the relay has looked no more for a while. */
  const asleep = () =>
    until('the relay sleeps', async () => {
      const before = reads
      await sleep(80)
      return reads === before
    })
  return { relay, applied, reads: () => reads, asleep }
}

t.test('without requests the outbox is left alone; the first one waits for a look', async (t) => {
  let rows: OutboxRow[] = []
  const { relay, applied, reads, asleep } = relayOver(t, async () => rows)
  t.equal(relay.wake(), true, 'while it looks, nobody waits')
  await until('it looks', () => relay.wake() === true && reads() > 2)
  await asleep()
  rows = [{ id: 7, change: '*', mark: null }]
  const waits = [relay.wake(), relay.wake()]
  t.not(waits[0], true)
  t.strictSame(await Promise.all(waits), [true, true])
  t.strictSame(applied, [7], 'what was left meanwhile is applied before the cache is used')
  rows = []
  t.equal(relay.wake(), true)
  const before = reads()
  await until('it looks again', () => relay.wake() === true && reads() > before + 2)
})

t.test('a database that fails or hangs sends the request past the cache', async (t) => {
  let answer: () => Promise<OutboxRow[]> = async () => []
  const { relay, asleep } = relayOver(t, () => answer())
  await asleep()
  answer = () => Promise.reject(new Error('away'))
  t.equal(await relay.wake(), false)
  const { promise, resolve } = Promise.withResolvers<OutboxRow[]>()
  answer = () => promise
  const started = performance.now()
  t.equal(await relay.wake(), false)
  t.ok(performance.now() - started < 1000, 'within the limit')
  t.not(relay.wake(), true, 'and the next request asks again')
  resolve([])
  await until('it is awake', () => relay.wake() === true)
})
