import type { FaultKind, Operation, OperationKind } from './operation.ts'
import type { Plan } from './plan.ts'
import { type Outcome, simulate } from './simulate.ts'
import type { Chooser, Footprint } from './world.ts'

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
  const bases = (['sqlite', 'mssql'] as const).flatMap((database) =>
    [false, true].map((warm) => ({ database, warm })),
  )
  for (const base of bases) {
    add({ ...base, actors: [write, read] }, 'a write and a read elsewhere')
    add({ ...base, actors: [write, { ...read, instance: 0 }] }, 'a write and a read there')
  }
  for (const fault of faults) {
    for (const base of bases) {
      add({ ...base, actors: [write, read], fault }, `a write, a read, ${fault}`)
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
    ...{
      seed: 1,
      instances: 2,
      redis: true,
      counts: false,
      maxBytes: 1_000_000,
      olderForms: false,
      operations,
    },
    ...{ database, latency: none, databaseLatency: none, length: moment + (fault ? 2610 : 5) },
  }
}

export interface Walked {
  name: string
  histories: number
  /** What had to be run, with those that were given up because the rest had been walked. */
  runs: number
  complete: boolean
  failing?: { plan: Plan; choices: string[]; outcome: Outcome }
}

export interface WalkOptions {
  /** When to give up. */
  seconds?: number
  /** False: histories that differ only in the order of turns that cannot see each other are walked too. */
  reduced?: boolean
  /** Called with each history, which is traced for it. */
  onHistory?: (outcome: Outcome) => void
}

/** A place where somebody was chosen to go on. */
interface Choice {
  actors: string[]
  chosen: string
  /** What the chosen one has touched by going on. */
  touched: Footprint
  /** Those who need not be chosen here, and what they would touch: their turn has been walked elsewhere. */
  asleep: Map<string, Footprint>
}

/** Whether the order of two turns can matter to anybody. */
function conflict(one: Footprint, other: Footprint): boolean {
  if (one.has('everything') || other.has('everything')) return true
  return [...one].some(([name, changes]) => other.has(name) && (changes || other.get(name)!))
}

/**
 * Walks through all interleavings of a small world, depth first: each history repeats the choices of the
 * last one but for the last of them that has another possibility. Of histories that differ only in the
 * order of turns that cannot see each other, one is walked (sleep sets: Godefroid, "Partial-Order Methods
 * for the Verification of Concurrent Systems", 1996).
 */
export async function walk(world: SmallWorld, options: WalkOptions = {}): Promise<Walked> {
  const { seconds = Infinity, reduced = true, onHistory } = options
  const plan = planOf(world)
  const path: Choice[] = []
  const walked: Walked = { name: world.name, histories: 0, runs: 0, complete: false }
  const started = performance.now()
  while (performance.now() - started < seconds * 1000) {
    const follower = follow(path, reduced)
    const { choose } = follower
    const trace = onHistory !== undefined
    const outcome = await simulate(plan, { maxSteps: 5000, choose, trace })
    walked.runs += 1
    if (!follower.cutShort) {
      walked.histories += 1
      onHistory?.(outcome)
    }
    if (outcome.violations.length > 0) {
      const choices = path.map(({ chosen }) => chosen)
      return { ...walked, failing: { plan, choices, outcome } }
    }
    if (!turnBack(path)) return { ...walked, complete: true }
  }
  return walked
}

/** Chooses as the path says, and then makes it longer. */
function follow(path: Choice[], reduced: boolean) {
  let at = 0
  let cutShort = false

  const choose: Chooser = (actors, touched) => {
    const last = path[at - 1]
    if (last !== undefined) last.touched = touched
    if (actors.length === 0) return undefined
    if (at === path.length) {
      const before = reduced ? [...(last?.asleep ?? [])] : []
      const asleep = new Map(before.filter(([, theirs]) => !conflict(theirs, touched)))
      const chosen = actors.find((actor) => !asleep.has(actor))
      cutShort = chosen === undefined
      if (chosen === undefined) return undefined
      path.push({ actors, chosen, touched: new Map(), asleep })
    }
    at += 1
    return path[at - 1]!.chosen
  }
  return {
    choose,
    /** Whoever could go on was asleep: the rest has been walked. */
    get cutShort() {
      return cutShort
    },
  }
}

/** Chooses somebody else at the last place where that is possible; false: there is none. */
function turnBack(path: Choice[]): boolean {
  for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
    last.asleep.set(last.chosen, last.touched)
    const next = last.actors.find((actor) => !last.asleep.has(actor))
    if (next !== undefined) {
      last.chosen = next
      return true
    }
    path.pop()
  }
  return false
}
