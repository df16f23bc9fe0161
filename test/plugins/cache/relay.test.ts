import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createRelay } from '../../../plugins/cache/relay.ts'
import type { OutboxRow } from '../../../plugins/cache/write.ts'
import { openBooks } from '../../books/store.ts'
import { temporaryFolder } from '../../support/teardown.ts'
import { until } from '../../support/until.ts'

function relayOver(t: Test, read: () => Promise<OutboxRow[]>) {
  const applied: number[] = []
  let reads = 0
  const relay = createRelay({
    outbox: {
      read: () => {
        reads += 1
        return read()
      },
      remove: async (ids) => void applied.push(...ids),
    },
    journal: { apply: async () => true },
    interval: 5,
    idleAfter: 200,
    resumeTimeout: 100,
    onError: () => {},
  })
  t.teardown(() => relay.stop())
  relay.start()
  /** Waits until the relay has not read for a while. */
  const paused = () =>
    until('the relay pauses', async () => {
      const before = reads
      await sleep(80)
      return reads === before
    })
  return { relay, applied, reads: () => reads, paused }
}

t.test('without requests the outbox is not read; the first request waits for a read', async (t) => {
  let rows: OutboxRow[] = []
  const { relay, applied, reads, paused } = relayOver(t, async () => rows)
  t.equal(relay.beforeLookup(), true, 'while it reads at intervals, no request waits')
  await until('it reads', () => relay.beforeLookup() === true && reads() > 2)
  await paused()
  rows = [{ id: 7, change: '*', mark: null }]
  const waits = [relay.beforeLookup(), relay.beforeLookup()]
  t.not(waits[0], true)
  t.strictSame(await Promise.all(waits), [true, true])
  t.strictSame(applied, [7], 'what was left meanwhile is applied before the cache is used')
  rows = []
  t.equal(relay.beforeLookup(), true)
  const before = reads()
  await until('it reads again', () => relay.beforeLookup() === true && reads() > before + 2)
})

t.test('a database that fails or hangs makes the request bypass the cache', async (t) => {
  let answer: () => Promise<OutboxRow[]> = async () => []
  const { relay, paused } = relayOver(t, () => answer())
  await paused()
  answer = () => Promise.reject(new Error('away'))
  t.equal(await relay.beforeLookup(), false)
  const { promise, resolve } = Promise.withResolvers<OutboxRow[]>()
  answer = () => promise
  const started = performance.now()
  t.equal(await relay.beforeLookup(), false)
  t.ok(performance.now() - started < 1000, 'within the limit')
  t.not(relay.beforeLookup(), true, 'and the next request asks again')
  resolve([])
  await until('it has resumed', () => relay.beforeLookup() === true)
})

t.test('a row added while another one is applied is never removed with it', async (t) => {
  const { outbox, transaction } = openBooks(join(temporaryFolder(t), 'books.db'))
  const insert = (change: string, mark: string) =>
    transaction((trx) => outbox.insert(trx, change, mark))
  await insert('[["all"]]', 'first')
  const relay = createRelay({
    outbox,
    journal: {
      // Meanwhile its writer finishes it, and another write is committed.
      async apply() {
        await outbox.removeByMark('first')
        await insert('*', 'second')
        return true
      },
    },
    interval: 1000,
    onError: () => {},
  })
  t.equal(await relay.drain(), true)
  t.match(await outbox.read(), [{ change: '*', mark: 'second' }])
})
