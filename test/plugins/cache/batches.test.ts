import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { coalesce } from '../../../plugins/cache/batches.ts'
import { systemRuntime } from '../../../plugins/cache/runtime.ts'

const coalesced = (read: () => Promise<boolean>) => coalesce(read, systemRuntime)

/** A store that changes while reads of it are in flight. */
function setUp(travel: () => Promise<unknown>) {
  const seen = { value: 0, reads: 0, inFlight: 0, maxInFlight: 0 }
  let read = 0
  const share = coalesced(async () => {
    seen.reads += 1
    seen.inFlight += 1
    seen.maxInFlight = Math.max(seen.maxInFlight, seen.inFlight)
    const { value } = seen
    await travel()
    seen.inFlight -= 1
    read = Math.max(read, value)
    return true
  })
  const join = () => share((current) => current)
  return { seen, join, read: () => read }
}

t.test(
  'a request never joins a read already sent, however reads and requests overlap',
  async (t) => {
    const { seen, join, read } = setUp(() => sleep(Math.random() * 4))
    let old = 0
    const client = async () => {
      for (let request = 0; request < 60; request += 1) {
        seen.value += 1
        const before = seen.value
        await join()
        if (read() < before) old += 1
        if (Math.random() < 0.5) await (Math.random() < 0.5 ? turn() : sleep(Math.random() * 3))
      }
    }
    await Promise.all(Array.from({ length: 40 }, client))
    t.equal(old, 0, `${old} of 2,400 answers came from before their request`)
    t.ok(seen.reads < 1200, `${seen.reads} reads for 2,400 requests`)
    t.ok(seen.maxInFlight > 1, 'reads overlapped')
  },
)

t.test('requests of one turn share one read', async (t) => {
  const { seen, join } = setUp(() => turn())
  await Promise.all(Array.from({ length: 100 }, join))
  t.equal(seen.reads, 1)
})

t.test('a small batch waits for the read in flight, a large one does not', async (t) => {
  const gates: (() => void)[] = []
  const { seen, join } = setUp(() => new Promise<void>((open) => gates.push(open)))
  const first = Array.from({ length: 20 }, join)
  await turn()
  t.equal(seen.reads, 1)
  const few = Array.from({ length: 9 }, join)
  await turn()
  t.equal(seen.reads, 1, '9 wait for 20')
  few.push(join())
  await turn()
  t.equal(seen.reads, 2, '10 do not')
  const last = join()
  await turn()
  t.equal(seen.reads, 2)
  for (const open of gates.splice(0)) open()
  await Promise.all([...first, ...few])
  await turn()
  t.equal(seen.reads, 3, 'and the small batch is sent when all have their answer')
  gates.shift()!()
  await last
})

t.test('the second wave of a batch is answered when the next read is on its way', async (t) => {
  const gates: (() => void)[] = []
  const { seen, join } = setUp(() => new Promise<void>((open) => gates.push(open)))
  let next: Promise<boolean>[] = []
  const order: string[] = []
  const all = Array.from({ length: 16 }, (_, index) =>
    join().then(() => {
      order.push(`${index} with ${seen.reads} reads sent`)
      if (next.length === 0) setImmediate(() => (next = Array.from({ length: 14 }, join)))
    }),
  )
  await turn()
  gates.shift()!()
  await Promise.all(all)
  t.strictSame(order.slice(-2), ['15 with 2 reads sent', '7 with 2 reads sent'])
  const firstWave = [14, 13, 12, 11, 10, 9, 8, 6, 5, 4, 3, 2, 1, 0]
  t.strictSame(
    order.slice(0, 14),
    firstWave.map((index) => `${index} with 1 reads sent`),
    'the last first',
  )
  gates.shift()!()
  await Promise.all(next)
})

t.test('the second wave does not wait for a next read that never comes', async (t) => {
  const { join } = setUp(() => turn())
  t.same(await Promise.all(Array.from({ length: 8 }, join)), Array(8).fill(true))
})

t.test('what fails for one request fails for it alone', async (t) => {
  const share = coalesced(() => turn(true))
  const failing = [1, 7]
  const exchanges = Array.from({ length: 16 }, (_, index) =>
    share(() => {
      if (failing.includes(index)) throw new Error('only mine')
    }),
  )
  const outcomes = await Promise.allSettled(exchanges)
  const failed = outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))
  t.same(failed, failing)
})

t.test('a read runs in the trace of one of its requests', async (t) => {
  const request = new AsyncLocalStorage<number>()
  const pending = new Set<number>()
  let strange = 0
  const join = coalesced(async () => {
    if (!pending.has(request.getStore()!)) strange += 1
    await sleep(Math.random() * 3)
    return true
  })
  const client = async (first: number) => {
    for (let number = first; number < first + 50; number += 1) {
      await request.run(number, async () => {
        pending.add(number)
        await join(() => {})
        pending.delete(number)
      })
      if (Math.random() < 0.7) await sleep(Math.random() * 3)
    }
  }
  await Promise.all(Array.from({ length: 30 }, (_, index) => client(index * 1000)))
  t.equal(strange, 0)
})
