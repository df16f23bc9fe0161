import t, { type Test } from 'tap'
import { createLocalJournal } from '../../../plugins/cache/local-journal.ts'
import { createReplica } from '../../../plugins/cache/replica.ts'
import { systemRuntime } from '../../../plugins/cache/runtime.ts'
import { waits } from '../../../plugins/cache/waits.ts'

/** A journal of one process. `others` tells of writes by other processes; `late` moves the clock. */
function open(t: Test, others?: () => number) {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  const clock = { late: 0 }
  const runtime = { ...systemRuntime, now: () => systemRuntime.now() + clock.late }
  const journal = createLocalJournal(replica, events, others, runtime)
  const store = (fill: Parameters<typeof journal.store>[0]) =>
    journal.store(fill, async () => t.fail('nothing is packed') as never, 1000)
  return { replica, journal, clock, store }
}

t.test(
  'a check of other processes that fails makes no hit, stores nothing, and no request hangs',
  async (t) => {
    let broken = false
    const { replica, journal, store } = open(t, () => {
      if (broken) throw new Error('no such database')
      return 1
    })
    const current = () => journal.sync((current) => current)
    t.same(await Promise.all([current(), current()]), [true, true])
    const fill = { key: 'k', tags: ['all'], version: replica.version, bypass: false }
    broken = true
    t.same(await Promise.all([current(), current()]), [false, false])
    t.equal(await store(fill), undefined)
    broken = false
    t.equal(await current(), true)
  },
)

t.test('in one process, a mark whose write never ended is lifted with its lease', async (t) => {
  const { replica, journal, clock, store } = open(t)
  const mark = await journal.mark([['all', 'type:TV']])
  const fill = { key: 'k', tags: ['type:TV'], version: replica.version, bypass: false }
  t.equal(await store(fill), undefined)
  t.ok(await journal.isMarked(mark))
  clock.late = waits.lease
  t.match(await store(fill), { shared: false })
  t.notOk(await journal.isMarked(mark))
})

t.test('a write of this process that was never finished leaves its trace', async (t) => {
  const { replica, journal, clock, store } = open(t, () => 1)
  const change = [['all', 'type:TV']]
  const mark = await journal.mark(change)
  // A query reads the old state, the write commits, and only the relay finds its row.
  const fill = { key: 'k', tags: ['type:TV'], version: replica.version, bypass: false }
  t.equal(await journal.apply(change, mark.id), true)
  clock.late = waits.lease
  t.equal(await store(fill), undefined)
  const { version } = replica
  t.equal(await journal.apply(change, 'a mark of another process'), true)
  t.same(replica.version, version, 'of other processes the database tells by itself')
})
