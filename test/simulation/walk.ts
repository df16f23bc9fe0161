import type { FaultKind, Operation, OperationKind, Plan } from './plan.ts'
import { type Outcome, simulate } from './simulate.ts'

/** A small world: what its actors do at one moment, each on an instance. */
export interface SmallWorld {
  name: string
  database: Plan['database']
  /** Whether each instance holds the answer in memory. */
  warm: boolean
  actors: { kind: OperationKind; instance: number; row?: number }[]
  fault?: FaultKind
}

/** Later than the first second of the epoch, in which nothing is stored. */
const moment = 1600
const none = { mean: 0, slow: 0, slowest: 0 }
const base = { instance: 0, key: 'all', row: 1, lasts: 0 }

/** Every state of Redis that matters to one read and one write, and every way to lose it at once. */
const faults: FaultKind[] = [
  'redis flushed',
  'redis restarted empty',
  'redis restarted from a snapshot',
  'redis failed over',
  'redis evicts',
  'redis full',
  'a value damaged',
  'connections cut',
  'an instance crashed',
]

/** Two instances, one key, one write, one read, and no fault or one. */
export function smallWorlds(): SmallWorld[] {
  const worlds: SmallWorld[] = []
  const add = (world: Omit<SmallWorld, 'name'>, name: string) =>
    worlds.push({ ...world, name: `${world.database}, ${world.warm ? 'warm' : 'cold'}, ${name}` })
  const write = { kind: 'write', instance: 0 } as const
  const read = { kind: 'read', instance: 1 } as const
  for (const database of ['sqlite', 'mssql'] as const) {
    for (const warm of [false, true]) {
      const world = { database, warm }
      add({ ...world, actors: [write, read] }, 'a write and a read elsewhere')
      add({ ...world, actors: [write, { ...read, instance: 0 }] }, 'a write and a read there')
      for (const fault of faults) {
        add({ ...world, actors: [write, read], fault }, `a write, a read, ${fault}`)
      }
    }
  }
  const cold = { database: 'mssql', warm: false } as const
  add({ ...cold, actors: [write, read, read] }, 'a write and two reads of one instance')
  add({ ...cold, actors: [write, { ...write, instance: 1 }, read] }, 'two writes of a row, a read')
  return worlds
}

function planOf({ database, warm, actors, fault }: SmallWorld): Plan {
  const operations: Operation[] = [{ ...base, at: 20, kind: 'write' }]
  const instances = [0, 1]
  if (warm) {
    for (const instance of instances) {
      operations.push({ ...base, at: moment - 20 + 5 * instance, kind: 'read', instance })
    }
  }
  for (const [index, actor] of actors.entries()) {
    operations.push({ ...base, at: moment, ...actor, actor: `${index} ${actor.kind}` })
  }
  if (fault) operations.push({ ...base, at: moment, kind: fault, actor: 'fault' })
  // As soon as nothing is left to do, and after the recovery.
  for (const after of fault ? [1, 2600] : [1]) {
    for (const instance of instances) {
      operations.push({ ...base, at: moment + after, kind: 'read', instance })
    }
  }
  return {
    ...{ seed: 1, instances: 2, redis: true, counts: false, maxBytes: 1_000_000, olderForms: false, operations },
    ...{ database, latency: none, databaseLatency: none, length: moment + (fault ? 2610 : 5) },
  }
}

export interface Walked {
  name: string
  histories: number
  complete: boolean
  failing?: { plan: Plan; choices: string[]; outcome: Outcome }
}

/**
 * Walks through all interleavings of a small world, depth first: each history repeats the choices of the
 * last one but for the last of them that had another possibility.
 */
export async function walk(world: SmallWorld, limit = Infinity): Promise<Walked> {
  const plan = planOf(world)
  let prefix: number[] = []
  for (let histories = 1; histories <= limit; histories += 1) {
    const taken: { index: number; of: number }[] = []
    const choices: string[] = []
    const choose = (actors: string[]) => {
      const index = prefix[taken.length] ?? 0
      taken.push({ index, of: actors.length })
      choices.push(actors[index]!)
      return actors[index]!
    }
    const outcome = await simulate(plan, { maxSteps: 5000, choose })
    const { name } = world
    if (outcome.violations.length > 0) {
      return { name, histories, complete: false, failing: { plan, choices, outcome } }
    }
    while (taken.length > 0 && taken.at(-1)!.index + 1 >= taken.at(-1)!.of) taken.pop()
    const last = taken.at(-1)
    if (last === undefined) return { name, histories, complete: true }
    prefix = [...taken.slice(0, -1).map(({ index }) => index), last.index + 1]
  }
  return { name: world.name, histories: limit, complete: false }
}
