import type { Row } from './database.ts'
import type { Parts } from './faults.ts'
import type { Operation, WorkKind } from './operation.ts'
import type { Plan } from './plan.ts'
import type { Link } from './redis-client.ts'

/** How long a link that was cut off needs until commands go over it again, in milliseconds. */
const cutOffFor = 1000

/** A row changes its type and its stamp, comes or goes. */
const change = (id: number, write: number) => (row: Row | undefined) => {
  if (row !== undefined && write % 5 === 0) return null
  const type = row === undefined || write % 3 === 0 ? (write % 2 ? 'A' : 'B') : row.type
  return { id, type, stamp: write }
}

/** Those who read and write: what they do, and what is counted of it. */
export function createClients(plan: Plan, { world, database, judge, links, instances }: Parts) {
  const totals = { reads: 0, hits: 0, writes: 0 }
  const writers = new Map<number, Link | undefined>()
  let lastWrite = 0
  database.onOutbox((write, mark, change) => {
    const { heard = world.now, stalledUntil = 0, refusedUntil = 0 } = writers.get(write) ?? {}
    const cutOff = Math.max(stalledUntil, refusedUntil) > world.now - cutOffFor
    judge.asked(write, mark, change, { heard, cutOff })
  })

  async function read({ instance: index, key, form }: Operation): Promise<void> {
    const instance = instances[index]
    if (instance === undefined) return
    const { name } = instance.process
    const arrived = world.now
    world.touch('history', false)
    world.trace(name, `GET ${key}`)
    const result = await instance.read(key, form).catch((error) => {
      world.trace(name, `GET ${key} failed: ${error}`)
    })
    if (!result) return
    const { body, status } = result
    world.touch('history', false)
    world.trace(name, `answers ${key} with ${body} (${status})`)
    totals.reads += 1
    if (status === 'hit') totals.hits += 1
    const exact = plan.redis && plan.maxBytes > 10_000
    judge.judge({ instance: name, key, form, arrived, answered: world.now, body, status }, exact)
  }

  async function write({ instance: index, row: id }: Operation): Promise<void> {
    const instance = instances[index]
    if (instance === undefined) return
    lastWrite += 1
    const number = lastWrite
    const { name } = instance.process
    world.trace(name, `write ${number} of row ${id}`)
    const report = {}
    judge.begin(number, { report })
    writers.set(number, links[index])
    await instance.write({ write: number, id, make: change(id, number), report }).then(
      () => world.trace(name, `write ${number} is done ${JSON.stringify(report)}`),
      (error) => world.trace(name, `write ${number} failed: ${error}`),
    )
    totals.writes += 1
  }

  /** A hand at the database, or an import: a change, and an outbox row for all in the same transaction. */
  async function writePast({ row: id }: Operation, inOutbox = true): Promise<boolean> {
    lastWrite += 1
    const number = lastWrite
    const process = world.createProcess(`sql ${number}`)
    world.trace(process.name, `write ${number} of row ${id}`)
    judge.begin(number, { past: inOutbox ? 'outbox' : 'nowhere' })
    const work = database.transaction(process, number, async (trx) => {
      await database.change(trx, id, change(id, number))
      if (inOutbox) await database.insertOutbox(trx, '*', null)
    })
    return work.then(
      () => true,
      (error) => {
        world.trace(process.name, `write ${number} failed: ${error}`)
        return false
      },
    )
  }

  /** As `bin/import.ts`: it empties the cache of all before it ends, as far as Redis can be reached. */
  async function importRow(operation: Operation): Promise<void> {
    const done = await writePast(operation)
    if (done) await instances[operation.instance]?.cache.journal.finish('*', null)
  }

  const work: Record<WorkKind, (operation: Operation) => void> = {
    read: (operation) => void read(operation),
    write: (operation) => void write(operation),
    'a write past the API': (operation) => void writePast(operation),
    'a write past the API, untold': (operation) => void writePast(operation, false),
    'an import': (operation) => void importRow(operation),
  }
  return { work, totals }
}
