import { createClients } from './clients.ts'
import { createDatabase } from './database.ts'
import type { Exception } from './exceptions.ts'
import { createFaults, type Parts } from './faults.ts'
import { createInstance } from './instance.ts'
import { createJudge, type Judge, type Violation } from './judge.ts'
import { isFault, type Operation } from './operation.ts'
import type { Latency, Plan } from './plan.ts'
import { createRedisServer } from './redis-server.ts'
import { type Chooser, createWorld, type TraceLine, type World } from './world.ts'

/** Milliseconds of a message's way from which on two of them may be too slow for Redis's time limit. */
const noticeable = 20

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

/** Runs the world of a plan, for so many steps at most. */
export async function simulate(
  plan: Plan,
  { maxSteps, trace = false, choose }: { maxSteps: number; trace?: boolean; choose?: Chooser },
): Promise<Outcome> {
  const world = createWorld(plan.seed, choose)
  world.tracing = trace
  const latencyOf = createLatencies(world, (until) => judge.disturb(until))
  const database = createDatabase(world, plan.database, latencyOf('database', plan.databaseLatency))
  const server = plan.redis ? createRedisServer(world) : undefined
  const judge: Judge = createJudge(world, database, server)
  let generations = 0
  const parts: Parts = { world, database, server, judge, links: [], instances: [], start }

  function start(index: number): void {
    generations += 1
    const process = world.createProcess(`i${index}.${generations}`, true)
    const latency = latencyOf(process.name, plan.latency)
    const link = { latency, heard: world.now, stalledUntil: 0, refusedUntil: 0 }
    parts.links[index] = link
    const redis = server && { server, link }
    const { maxBytes, counts } = plan
    const olderForm = plan.olderForms && generations % 2 === 0
    const options = { world, database, redis, process, maxBytes, counts, olderForm }
    parts.instances[index] = createInstance(options)
    judge.disturb(world.now)
  }

  for (let index = 0; index < plan.instances; index += 1) start(index)
  const { work, totals } = createClients(plan, parts)
  schedule(plan, parts, { ...work, ...createFaults(parts) })
  await world.run(maxSteps)
  const { steps, now: simulated, lines } = world
  const { violations, exceptions } = judge
  return { ...totals, steps, simulated, violations, exceptions, lines }
}

function createLatencies(world: World, disturb: (until: number) => void) {
  return (name: string, { mean, slow, slowest }: Latency) => {
    const random = world.randomOf(`latency of ${name}`)
    return () => {
      if (!random.chance(slow)) return -mean * Math.log(1 - random.next())
      const late = random.between(mean, slowest)
      // A command that waits for this may count as lost.
      if (late > noticeable) disturb(world.now + late)
      return late
    }
  }
}

type Doing = Record<Operation['kind'], (operation: Operation) => void>

/** Has each operation done at its time, or at the first step that it waits for from then on. */
function schedule({ operations, length }: Plan, { world, judge }: Parts, doing: Doing): void {
  const later = (ms: number, work: () => void) => void world.schedule(ms, null, work)

  function perform(operation: Operation): void {
    const { kind, lasts } = operation
    if (isFault(kind)) {
      world.trace('world', `${kind}${lasts > 0 ? ` for ${lasts.toFixed(0)} ms` : ''}`)
      judge.disturb(world.now + lasts)
      world.touch('everything', true)
    }
    doing[kind](operation)
  }

  for (const operation of operations) {
    const { at, actor = '', waitsFor, delay = 0 } = operation
    const start = () => {
      if (waitsFor === undefined) return perform(operation)
      world.onStep(waitsFor, () => later(delay, () => perform(operation)))
    }
    world.as(actor, () => later(at, start))
  }
  later(length, world.stop)
}
