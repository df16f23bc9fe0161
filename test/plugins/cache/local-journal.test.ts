import t from 'tap'
import { createLocalJournal } from '../../../plugins/cache/local-journal.ts'
import { createReplica } from '../../../plugins/cache/replica.ts'
import { systemRuntime } from '../../../plugins/cache/runtime.ts'
import { waits } from '../../../plugins/cache/waits.ts'

t.test('a check of other processes that fails makes no hit, and no request hangs', async (t) => {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  let broken = false
  const journal = createLocalJournal(replica, events, () => {
    if (broken) throw new Error('no such database')
    return 1
  })
  const current = () => journal.sync((current) => current)
  t.same(await Promise.all([current(), current()]), [true, true])
  broken = true
  t.same(await Promise.all([current(), current()]), [false, false])
  broken = false
  t.equal(await current(), true)
})

t.test('in one process, a mark whose write never ended is lifted with its lease', async (t) => {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  let late = 0
  const runtime = { ...systemRuntime, now: () => systemRuntime.now() + late }
  const journal = createLocalJournal(replica, events, undefined, runtime)
  const mark = await journal.mark([['all', 'type:TV']])
  const fill = { key: 'k', tags: ['type:TV'], version: replica.version, bypass: false }
  const store = () => journal.store(fill, async () => t.fail('nothing is packed') as never, 1000)
  t.equal(await store(), undefined)
  t.ok(await journal.isMarked(mark))
  late = waits.lease
  t.match(await store(), { shared: false })
  t.notOk(await journal.isMarked(mark))
})

t.test('a check of other processes that fails stores nothing, and fails no request', async (t) => {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  let broken = false
  const journal = createLocalJournal(replica, events, () => {
    if (broken) throw new Error('no such database')
    return 1
  })
  const fill = { key: 'k', tags: ['all'], version: replica.version, bypass: false }
  broken = true
  t.equal(
    await journal.store(fill, async () => t.fail('nothing is packed') as never, 1000),
    undefined,
  )
})

t.test('a write of this process that was never finished leaves its trace', async (t) => {
  const replica = createReplica()
  const events = { onEntry: replica.append, onReset: replica.reset }
  let late = 0
  const runtime = { ...systemRuntime, now: () => systemRuntime.now() + late }
  const journal = createLocalJournal(replica, events, () => 1, runtime)
  const change = [['all', 'type:TV']]
  const mark = await journal.mark(change)
  // A query reads the old state, the write commits, and only the relay finds its row.
  const fill = { key: 'k', tags: ['type:TV'], version: replica.version, bypass: false }
  t.equal(await journal.apply(change, mark.id), true)
  late = waits.lease
  t.equal(
    await journal.store(fill, async () => t.fail('nothing is packed') as never, 1000),
    undefined,
  )
  const { version } = replica
  t.equal(await journal.apply(change, 'a mark of another process'), true)
  t.same(replica.version, version, 'of other processes the database tells by itself')
})
