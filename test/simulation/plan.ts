import type { DatabaseKind } from './database.ts'
import { keys } from './instance.ts'
import { type FaultKind, faultKinds, type Operation, type OperationKind } from './operation.ts'
import { createRandom, type Random } from './random.ts'
import { parting, refusing, returning, scene, sleeping } from './scene.ts'

/** How long a message travels: its mean, how often it is slow, and how long then at most. */
export interface Latency {
  mean: number
  slow: number
  slowest: number
}

/** What happens when: made of a seed, and made smaller when it has found something. */
export interface Plan {
  seed: number
  instances: number
  database: DatabaseKind
  /** Without Redis there is one instance, and writers past it (rule 9). */
  redis: boolean
  /** To Redis, and to the database. */
  latency: Latency
  databaseLatency: Latency
  maxBytes: number
  counts: boolean
  /** Some instances are of a version that packs answers in another form. */
  olderForms: boolean
  operations: Operation[]
  /** Milliseconds until the world ends. */
  length: number
}

/** What loses Redis or its data, and with them the most. */
const losing: FaultKind[] = [
  'redis flushed',
  'redis restarted empty',
  'redis restarted from a snapshot',
  'redis failed over',
  'redis failed over behind a proxy',
  'redis paused',
  'connections cut',
]

/** Those that come by chance. */
const usualFaults = faultKinds.filter((kind) => kind !== 'redis takes no writes')

/** How long a fault may last, in milliseconds; those that are not here are over at once. */
const durations: Partial<Record<FaultKind, [number, number]>> = {
  'redis restarted empty': [0, 2500],
  'redis restarted from a snapshot': [0, 2500],
  'redis failed over': [1, 400],
  'redis failed over behind a proxy': [1, 400],
  'redis paused': [20, 4000],
  'redis full': [50, 2000],
  'a link stalled': [20, 3000],
  'a link refused': [50, 4000],
  'an instance paused': [5, 8000],
  'an instance crashed': [0, 1500],
  'the database fails': [20, 1500],
  'the database freezes': [20, 4000],
  'commits stall': [20, 3000],
  'redis takes no writes': [100, 5000],
}

export interface PlanOptions {
  instances?: number | undefined
  /** Only these faults; undefined: what the seed picks. */
  faults?: readonly FaultKind[] | undefined
  /** How much to do: about a step for each unit. */
  steps: number
}

/** The faults of a world, and how often they come. */
interface Dangers {
  kinds: FaultKind[]
  rate: number
  /** How many of them come with a scene. */
  scenes: number
}

export function planOf(seed: number, { instances, faults, steps }: PlanOptions): Plan {
  const random = createRandom(seed)
  const redis = instances !== undefined || random.chance(0.94)
  const count = redis ? (instances ?? random.pick([1, 2, 2, 2, 3, 3])) : 1
  const dangers = dangersOf(random, redis, faults)
  const operations = operationsOf(random, { dangers, count, steps })
  addPartings(seed, operations, count)
  addOutages(seed, operations, count)
  if (redis && faults === undefined) addRefusal(seed, operations, count)
  operations.sort((a, b) => a.at - b.at)
  return {
    ...{ seed, instances: count, redis, operations, length: operations.at(-1)!.at + 300 },
    database: random.pick(['sqlite', 'mssql'] as const),
    latency: latencyOf(random, [0.2, 1, 4]),
    databaseLatency: latencyOf(random, [0.2, 1, 4, 25, 120]),
    maxBytes: random.chance(0.1) ? 2500 : 1_000_000,
    counts: random.chance(0.5),
    olderForms: random.chance(0.1),
  }
}

/** Some worlds have one kind of fault, often and with a scene about it; others a few, or none. */
function dangersOf(random: Random, redis: boolean, faults?: readonly FaultKind[]): Dangers {
  const single = faults !== undefined || random.chance(0.35)
  const some = random.pick([0.1, 0.3])
  const one = random.chance(0.5) ? random.pick(losing) : random.pick(usualFaults)
  const chosen = single ? [one] : usualFaults.filter(() => random.chance(some))
  const kinds = [...(faults ?? chosen)].filter(
    (kind) => redis || !/redis|link|connec|value/.test(kind),
  )
  const rates = single ? [0.05, 0.15] : [0, 0.03, 0.1, 0.2]
  return { kinds, rate: kinds.length > 0 ? random.pick(rates) : 0, scenes: single ? 1 : 0.3 }
}

function operationsOf(
  random: Random,
  { dangers, count, steps }: { dangers: Dangers; count: number; steps: number },
): Operation[] {
  const pace = random.pick([2, 8, 30])
  const writeRate = random.pick([0.1, 0.25, 0.5])
  const hot = random.chance(0.5) ? random.pick(keys) : undefined
  const operations: Operation[] = []
  // Nothing is stored in the first second of an epoch, so most worlds begin to work after it.
  let at = random.chance(0.15) ? random.between(0, 50) : 1100
  // What matters comes soon after a fault, or when something that waits for it ends.
  let excited = 0
  for (let left = steps; left > 0; ) {
    const waits = excited > 0 ? [20, 260, 1020, 2050, 2500] : [300, 1500, 3000]
    const pause = random.chance(0.1) ? random.pick(waits) * random.between(0.9, 1.1) : 0
    at += pause - (excited > 0 ? Math.min(pace, 4) : pace) * Math.log(1 - random.next())
    const faulty = random.chance(excited > 0 ? dangers.rate * 2 : dangers.rate)
    excited = faulty ? 12 : excited - 1
    const kind = faulty ? random.pick(dangers.kinds) : workOf(random, writeRate)
    const key = hot !== undefined && random.chance(0.8) ? hot : random.pick(keys)
    const [instance, row] = [random.below(count), 1 + random.below(3)]
    const form = random.chance(0.1) ? ('csv' as const) : undefined
    const operation = { at, kind, instance, row, key, form, lasts: lastsOf(random, kind) }
    const added =
      faulty && random.chance(dangers.scenes)
        ? scene(random, operation, { count, kinds: dangers.kinds, lastsOf })
        : [operation]
    operations.push(...added)
    left -= 8 * added.length + (pause * count * 7) / 1000
  }
  return operations
}

/**
 * About some failovers nothing else happens. They have a sequence of chance of their own, so that the worlds
 * without one stay what they are.
 */
function addPartings(seed: number, operations: Operation[], count: number): void {
  if (count < 2) return
  const random = createRandom(2 * seed)
  const failovers = operations.filter(({ kind }) => kind === 'redis failed over behind a proxy')
  for (const failover of failovers) {
    if (!random.chance(0.2) || !operations.includes(failover)) continue
    const isApart = ({ at }: Operation) => Math.abs(at - failover.at) > failover.lasts + 150
    const others = operations.filter((one) => one === failover || isApart(one))
    const plain = { ...failover, waitsFor: undefined, delay: 0 }
    const replaced = others.map((one) => (one === failover ? plain : one))
    operations.splice(0, Infinity, ...replaced, ...parting(random, failover, count))
  }
}

/** How long an outage is that a write does not wait for. */
const longOutage = 2200

function addOutages(seed: number, operations: Operation[], count: number): void {
  if (count < 2) return
  const random = createRandom(3 * seed)
  const outages = operations.filter(
    ({ kind, lasts }) => kind === 'redis paused' && lasts > longOutage,
  )
  for (const outage of outages) {
    if (outage.waitsFor !== undefined) continue
    const which = random.next()
    if (which < 0.3) operations.push(...sleeping(random, outage, count))
    else if (which < 0.6) operations.push(...returning(random, outage, count))
  }
}

/** In some worlds Redis takes no writes for a time, in which nothing else happens. */
function addRefusal(seed: number, operations: Operation[], count: number): void {
  const random = createRandom(5 * seed)
  if (count < 2 || !random.chance(0.1)) return
  const refusal = refusing(random, Math.max(1300, random.pick(operations).at), count)
  const { at, lasts } = refusal.find(({ kind }) => kind === 'redis takes no writes')!
  const others = operations.filter((one) => one.at < at - 200 || one.at > at + lasts + 200)
  operations.splice(0, Infinity, ...others, ...refusal)
}

const latencyOf = (random: Random, means: number[]): Latency => ({
  mean: random.pick(means),
  slow: random.pick([0, 0, 0.01, 0.05]),
  slowest: random.pick([30, 90, 300, 900]),
})

function workOf(random: Random, writeRate: number): OperationKind {
  if (random.chance(0.01)) return random.pick(['a write past the API', 'an import'])
  if (random.chance(0.0002)) return 'a write past the API, untold'
  return random.chance(writeRate) ? 'write' : 'read'
}

function lastsOf(random: Random, kind: OperationKind): number {
  const [least, most] = durations[kind as FaultKind] ?? [0, 0]
  // Short faults and long ones alike.
  return most === 0 ? 0 : least + (most - least) * random.next() ** random.pick([1, 4])
}
