import { createDatabase, type Row } from './database.ts'
import { createInstance, type Instance } from './instance.ts'
import { createJudge, type Exception, type Violation } from './judge.ts'
import type { FaultKind, Latency, Operation, OperationKind, Plan } from './plan.ts'
import type { Link } from './redis-client.ts'
import { createRedisServer } from './redis-server.ts'
import { type Chooser, createWorld, type TraceLine } from './world.ts'

/** Milliseconds of a message's way from which on two of them may be too slow for Redis's time limit. */
const noticeable = 20

/** How long a link that was cut off needs until commands go over it again, in milliseconds. */
const cutOffFor = 1000

export interface Outcome {
  steps: number
  reads: number
  hits: number
  writes: number
  simulated: number
  violations: Violation[]
  exceptions: ReadonlyMap<Exception, number>
  lines: TraceLine[]
}

/** Runs the world of a plan, for so many steps at the most. */
export async function simulate(
  plan: Plan,
  { maxSteps, trace = false, choose }: { maxSteps: number; trace?: boolean; choose?: Chooser },
): Promise<Outcome> {
  const world = createWorld(plan.seed, choose)
  world.tracing = trace
  const latencyOf = (name: string, { mean, slow, slowest }: Latency) => {
    const random = world.randomOf(`latency of ${name}`)
    return () => {
      if (!random.chance(slow)) return -mean * Math.log(1 - random.next())
      const late = random.between(mean, slowest)
      // A command that waits for this may count as lost.
      if (late > noticeable) judge.disturb(world.now + late)
      return late
    }
  }
  const database = createDatabase(world, plan.database, latencyOf('database', plan.databaseLatency))
  const server = plan.redis ? createRedisServer(world) : undefined
  const judge = createJudge(world, database, server)
  const outcome = { reads: 0, hits: 0, writes: 0 }
  let writes = 0
  let generations = 0
  let snapshotAt = 0

  const links: Link[] = []
  const instances: (Instance | undefined)[] = []
  const writers = new Map<number, Link | undefined>()
  database.onOutbox((write, mark, change) => {
    const { heard = world.now, stalledUntil = 0, refusedUntil = 0 } = writers.get(write) ?? {}
    const cutOff = Math.max(stalledUntil, refusedUntil) > world.now - cutOffFor
    judge.asked(write, mark, change, { heard, cutOff })
  })

  function start(index: number): void {
    generations += 1
    const process = world.createProcess(`i${index}.${generations}`, true)
    links[index] = {
      latency: latencyOf(process.name, plan.latency),
      heard: world.now,
      stalledUntil: 0,
      refusedUntil: 0,
    }
    const redis = server && { server, link: links[index]! }
    const { maxBytes, counts } = plan
    instances[index] = createInstance({ world, database, redis, process, maxBytes, counts })
    judge.disturb(world.now)
  }

  async function read({ instance: index, key }: Operation): Promise<void> {
    const instance = instances[index]
    if (instance === undefined) return
    const { name } = instance.process
    const arrived = world.now
    world.trace(name, `GET ${key}`)
    const result = await instance.read(key).catch((error) => {
      world.trace(name, `GET ${key} failed: ${error}`)
    })
    if (!result) return
    const { body, status } = result
    world.trace(name, `answers ${key} with ${body} (${status})`)
    outcome.reads += 1
    if (status === 'hit') outcome.hits += 1
    const exact = plan.redis && plan.maxBytes > 10_000
    judge.judge({ instance: name, key, arrived, answered: world.now, body, status }, exact)
  }

  /** A row changes its type and its stamp, comes or goes. */
  const change = (id: number, write: number) => (row: Row | undefined) => {
    if (row !== undefined && write % 5 === 0) return null
    const type = row === undefined || write % 3 === 0 ? (write % 2 ? 'A' : 'B') : row.type
    return { id, type, stamp: write }
  }

  async function write({ instance: index, row: id }: Operation): Promise<void> {
    const instance = instances[index]
    if (instance === undefined) return
    writes += 1
    const number = writes
    const { name } = instance.process
    world.trace(name, `write ${number} of row ${id}`)
    judge.begin(number, false)
    writers.set(number, links[index])
    const report = {}
    await instance.write({ write: number, id, make: change(id, number), report }).then(
      () => world.trace(name, `write ${number} is done ${JSON.stringify(report)}`),
      (error) => world.trace(name, `write ${number} failed: ${error}`),
    )
    outcome.writes += 1
  }

  /** A hand at the database: a change, and an outbox row for all in the same transaction. */
  async function writePast({ row: id }: Operation): Promise<void> {
    writes += 1
    const number = writes
    const process = world.createProcess(`sql ${number}`)
    world.trace(process.name, `write ${number} of row ${id}`)
    judge.begin(number, true)
    await database
      .transaction(process, number, async (trx) => {
        await database.change(trx, id, change(id, number))
        await database.insertOutbox(trx, '*', null)
      })
      .catch((error) => world.trace(process.name, `write ${number} failed: ${error}`))
  }

  function restart(index: number, downFor: number): void {
    const instance = instances[index]
    if (instance === undefined) return
    instance.process.alive = false
    instance.client?.disconnect()
    database.abandon(instance.process)
    judge.forget(instance.process.name)
    instances[index] = undefined
    world.schedule(downFor, null, () => start(index))
  }

  function restartRedis(from: 'empty' | 'snapshot'): void {
    server!.restart(from)
    judge.available(world.now)
  }

  const later = (ms: number, work: () => void) => void world.schedule(ms, null, work)

  const faults: Record<FaultKind, (operation: Operation) => void> = {
    'redis flushed': () => server!.flush(),
    'redis restarted empty': ({ lasts }) => {
      server!.crash()
      later(lasts, () => restartRedis('empty'))
    },
    'redis restarted from a snapshot': ({ lasts }) => {
      server!.takeSnapshot()
      later(lasts / 2, () => server!.crash())
      later(lasts, () => restartRedis('snapshot'))
    },
    'redis failed over': ({ lasts }) => {
      server!.takeSnapshot()
      later(lasts, () => server!.up && server!.failover(false))
    },
    'redis failed over behind a proxy': ({ lasts }) => {
      server!.takeSnapshot()
      snapshotAt = world.now
      later(lasts, () => {
        if (!server!.up) return
        server!.failover(true)
        judge.failover(snapshotAt)
      })
    },
    'redis paused': ({ lasts }) => {
      server!.pause(lasts)
      judge.available(world.now + lasts)
    },
    'redis full': ({ lasts }) => {
      server!.setFull(true)
      later(lasts, () => server!.setFull(false))
    },
    'redis evicts': () => server!.evict(0.5),
    'a value damaged': () => server!.damage(),
    'connections cut': () => server!.cutAll(),
    'a link stalled': ({ instance, lasts }) => {
      const link = links[instance]!
      link.stalledUntil = Math.max(link.stalledUntil, world.now + lasts)
    },
    'a link refused': ({ instance, lasts }) => {
      links[instance]!.refusedUntil = world.now + lasts
      instances[instance]?.client?.disconnect()
    },
    'an instance paused': ({ instance, lasts }) => {
      const process = instances[instance]?.process
      if (process) process.pausedUntil = Math.max(process.pausedUntil, world.now + lasts)
    },
    'an instance crashed': ({ instance, lasts }) => restart(instance, lasts),
    'a clock set': ({ instance, row }) => {
      const process = row === 1 ? server?.process : instances[instance]?.process
      if (process) process.wallOffset += (instance - 0.5) * 4000
    },
    'the database fails': ({ lasts }) => {
      database.setFailing(0.3)
      later(lasts, () => database.setFailing(0))
    },
    'commits stall': ({ lasts }) => {
      database.setStall(lasts)
      later(lasts, () => database.setStall(0))
    },
  }

  const work: Partial<Record<OperationKind, (operation: Operation) => void>> = {
    ...faults,
    read: (operation) => void read(operation),
    write: (operation) => void write(operation),
    'a write past the API': (operation) => void writePast(operation),
    'an import': (operation) => void writePast(operation),
  }

  for (let index = 0; index < plan.instances; index += 1) start(index)
  for (const operation of plan.operations) {
    const { kind, lasts, actor = '' } = operation
    const start = () => {
      if (kind in faults) {
        world.trace('world', `${kind}${lasts > 0 ? ` for ${lasts.toFixed(0)} ms` : ''}`)
        judge.disturb(world.now + lasts)
      }
      work[kind]!(operation)
    }
    world.as(actor, () => later(operation.at, start))
  }
  later(plan.length, world.stop)
  await world.run(maxSteps)
  const { steps, now: simulated, lines } = world
  const { violations, exceptions } = judge
  return { ...outcome, steps, simulated, violations, exceptions, lines }
}
