import t from 'tap'
import type { Operation } from './operation.ts'
import type { Plan } from './plan.ts'
import { simulate } from './simulate.ts'

/*
 * Histories that the simulation has found, or that show what an exception of docs/cache.md means. Each is
 * what was left when the seed's history had been made small.
 */

const steady = { mean: 0.3, slow: 0, slowest: 1 }
const base = { instance: 0, key: 'all', row: 1, lasts: 0 }

/** Both instances hold the answer when the history begins, at 2000 ms. */
function planOf(operations: Partial<Operation>[]): Plan {
  const warm: Partial<Operation>[] = [
    { at: 1300, kind: 'write' },
    { at: 1700, kind: 'read' },
    { at: 1710, kind: 'read', instance: 1 },
  ]
  const all = [...warm, ...operations].map((operation) => ({ ...base, ...operation }) as Operation)
  return {
    ...{
      seed: 3,
      instances: 2,
      redis: true,
      database: 'mssql',
      counts: false,
      maxBytes: 1_000_000,
      olderForms: false,
    },
    ...{ latency: steady, databaseLatency: steady, operations: all, length: 9600 },
  }
}

const readsOf = (instance: number, from: number, to: number): Partial<Operation>[] =>
  Array.from({ length: Math.ceil((to - from) / 20) }, (_, index) => ({
    ...{ kind: 'read' as const, instance, at: from + index * 20 },
  }))

const run = (operations: Partial<Operation>[]) =>
  simulate(planOf(operations), { maxSteps: 20_000, trace: true })

t.test(
  'a write that first meets an emptied Redis waits for the new epoch and is marked',
  async (t) => {
    const { lines, violations, exceptions } = await run([
      { at: 2000, kind: 'redis flushed' },
      { at: 2000, kind: 'commits stall', lasts: 1400 },
      { at: 2000.1, kind: 'write', instance: 1 },
      // Its commit comes after the quiet second, and it cannot say so.
      { at: 3380, kind: 'an instance paused', instance: 1, lasts: 3000 },
      ...readsOf(0, 2015, 7000),
    ])
    t.same(violations, [])
    t.equal(exceptions.size, 0, 'no read was stale')
    t.match(lines.map(({ what }) => what).join('\n'), /write 2 is done {"placed":true/)
  },
)

t.test('a write waits for an outage of now, whenever its instance lost Redis first', async (t) => {
  const { violations, exceptions } = await run([
    // Instance 1 loses Redis and reaches it again. It has not come to use the cache when all lose it, for
    // so short a time that the other one does not notice.
    { at: 2050, kind: 'a link stalled', instance: 1, lasts: 900 },
    { at: 2100, kind: 'read', instance: 1 },
    { at: 4010, kind: 'redis paused', lasts: 700 },
    { at: 4020, kind: 'write', instance: 1 },
    ...readsOf(0, 4715, 7000),
  ])
  t.same(violations, [])
  t.equal(exceptions.size, 0, 'no read was stale')
})

t.test(
  'a write waits for an outage that begins as soon as its instance is connected',
  async (t) => {
    const { violations, exceptions } = await run([
      { at: 2050, kind: 'a link refused', instance: 1, lasts: 2850 },
      // It is connected at 5056, and has not attached yet when nobody can reach Redis for a short time.
      { at: 5056, kind: 'redis paused', lasts: 1010 },
      { at: 5058, kind: 'write', instance: 1 },
      ...readsOf(0, 6060, 7000),
    ])
    t.same(violations, [])
    t.equal(exceptions.size, 0, 'no read was stale')
  },
)

t.test('a writer that stood still tries to mark again', async (t) => {
  const { lines, violations, exceptions } = await run([
    { at: 2000, kind: 'redis restarted empty', lasts: 300 },
    { at: 2000.1, kind: 'write' },
    { at: 2001, kind: 'an instance paused', lasts: 6000 },
    ...readsOf(1, 4000, 8200),
  ])
  t.same(violations, [])
  t.equal(exceptions.size, 0, 'no read was stale')
  t.match(lines.map(({ what }) => what).join('\n'), /write 2 is done {"placed":true/)
})

t.test('an instance that slept through an outage does not trust what it holds', async (t) => {
  const { violations, exceptions } = await run([
    // Nobody can reach Redis for longer than a write waits, and one instance does not know of it.
    { at: 2000, kind: 'an instance paused', instance: 0, lasts: 4003 },
    { at: 2050, kind: 'redis paused', lasts: 3950 },
    { at: 2100, kind: 'write', instance: 1 },
    ...readsOf(0, 2010, 7000),
  ])
  t.same(violations, [])
  t.equal(exceptions.size, 0, 'no read was stale')
})

t.test('a version noted before a failover is not taken for one of the new server', async (t) => {
  const id = { key: 'id=1', instance: 1 }
  const { lines, violations, exceptions } = await run([
    { at: 1985, kind: 'commits stall', lasts: 85 },
    // The replica has the mark of this write, and its end gets the position of the next one's mark.
    { at: 1990, kind: 'write' },
    { at: 2000, kind: 'redis failed over behind a proxy', lasts: 60 },
    { at: 2010, kind: 'write', row: 2 },
    { at: 2020, kind: 'read', ...id },
    { at: 2022.5, kind: 'an instance paused', instance: 1, lasts: 75 },
    ...readsOf(1, 2110, 2400).map((read) => ({ ...read, ...id })),
  ])
  t.same(violations, [])
  t.equal(exceptions.size, 0, 'no read was stale')
  t.match(lines.map(({ what }) => what).join('\n'), /store "id=1".*-> null/)
})

t.test(
  'who only reads notices that Redis takes no writes before one goes on unmarked',
  async (t) => {
    const { violations, exceptions, lines } = await run([
      { at: 2000, kind: 'redis takes no writes', lasts: 4000 },
      { at: 2010, kind: 'write', instance: 1 },
      ...readsOf(0, 2000, 9000),
    ])
    t.same(violations, [])
    t.equal(exceptions.size, 0, 'no read was stale')
    t.match(lines.map(({ what }) => what).join('\n'), /write 2 is done {"placed":false/)
  },
)

t.test('exception 1: a writer that alone cannot reach Redis', async (t) => {
  const { violations, exceptions } = await run([
    { at: 2000, kind: 'a link stalled', instance: 1, lasts: 6000 },
    { at: 2100, kind: 'read', instance: 1 },
    { at: 4800, kind: 'write', instance: 1 },
    ...readsOf(0, 4700, 9000),
  ])
  t.same(violations, [])
  t.ok(exceptions.get('a writer alone without redis'), 'it happens')
})

t.test('exception 2: a commit that stalls, of a write that had found no Redis', async (t) => {
  const { violations, exceptions } = await run([
    { at: 2000, kind: 'redis paused', lasts: 3000 },
    { at: 2100, kind: 'read' },
    { at: 2100, kind: 'read', instance: 1 },
    { at: 4980, kind: 'commits stall', lasts: 1400 },
    { at: 4985, kind: 'write', instance: 1 },
    { at: 6386, kind: 'an instance paused', instance: 1, lasts: 3000 },
    ...readsOf(0, 5005, 9500),
  ])
  t.same(violations, [])
  t.ok(exceptions.get('a commit that stalls'), 'it happens')
})

t.test('exception 3: a failover behind a proxy that loses the last writes', async (t) => {
  const { violations, exceptions } = await run([
    { at: 2000, kind: 'redis failed over behind a proxy', lasts: 60 },
    { at: 2010, kind: 'write' },
    ...readsOf(1, 2000, 5000),
  ])
  t.same(violations, [])
  t.ok(exceptions.get('a failover behind a proxy'), 'it happens')
})

t.test('exception 4: data loaded past the API, until the outbox is read', async (t) => {
  const { violations, exceptions } = await run([
    { at: 2300, kind: 'a write past the API' },
    ...readsOf(0, 2301, 5000),
  ])
  t.same(violations, [])
  t.ok(exceptions.get('data loaded past the API'), 'it happens')
})

t.test('exception 4: SQL by hand without an outbox row, until the cache is emptied', async (t) => {
  const { violations, exceptions, lines } = await run([
    { at: 2300, kind: 'a write past the API, untold' },
    ...readsOf(0, 2301, 4000),
    { at: 4000, kind: 'redis flushed' },
    ...readsOf(0, 4001, 7000),
  ])
  t.same(violations, [])
  t.ok(exceptions.get('SQL by hand without an outbox row'), 'it happens')
  const stale = lines.filter(({ what }) => what.includes('SQL by hand'))
  t.ok(
    stale.every(({ time }) => time < 4010),
    'and is over then',
  )
})
