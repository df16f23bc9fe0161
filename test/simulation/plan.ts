import type { DatabaseKind } from './database.ts'
import { keys } from './instance.ts'
import { createRandom, type Random } from './random.ts'

/** Something that is done to the world at a moment (milliseconds from its beginning). */
export interface Operation {
  at: number
  kind: OperationKind
  /** Which instance, where it concerns one. */
  instance: number
  key: string
  row: number
  /** Milliseconds that a fault lasts. */
  lasts: number
  /** On whose behalf, where a chooser chooses who goes on. */
  actor?: string
}

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
  operations: Operation[]
  /** Milliseconds until the world ends. */
  length: number
}

export const faultKinds = [
  'redis flushed',
  'redis restarted empty',
  'redis restarted from a snapshot',
  'redis failed over',
  'redis failed over behind a proxy',
  'redis paused',
  'redis full',
  'redis evicts',
  'a value damaged',
  'connections cut',
  'a link stalled',
  'a link refused',
  'an instance paused',
  'an instance crashed',
  'a clock set',
  'the database fails',
  'commits stall',
] as const

const workKinds = ['read', 'write', 'a write past the API', 'an import'] as const

export type FaultKind = (typeof faultKinds)[number]
export type OperationKind = FaultKind | (typeof workKinds)[number]

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
  'commits stall': [20, 3000],
}

export interface PlanOptions {
  instances?: number | undefined
  /** Only these faults; undefined: what the seed picks. */
  faults?: readonly FaultKind[] | undefined
  /** How much to do: about a step for each unit. */
  steps: number
}

export function planOf(seed: number, { instances, faults, steps }: PlanOptions): Plan {
  const random = createRandom(seed)
  const redis = instances !== undefined || random.chance(0.94)
  const count = redis ? (instances ?? random.pick([1, 2, 2, 2, 3, 3])) : 1
  // Some worlds have one kind of fault, often and with work about it; others a few, or none.
  const single = faults !== undefined || random.chance(0.35)
  const some = random.pick([0.1, 0.3])
  const chosen = single ? [random.pick(faultKinds)] : faultKinds.filter(() => random.chance(some))
  const enabled = faults ?? chosen
  const possible = redis ? enabled : enabled.filter((kind) => !/redis|link|connec|value/.test(kind))
  const pace = random.pick([2, 8, 30])
  const rates = single ? [0.05, 0.15] : [0, 0.03, 0.1, 0.2]
  const faultRate = possible.length > 0 ? random.pick(rates) : 0
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
    const isFault = random.chance(excited > 0 ? faultRate * 2 : faultRate)
    excited = isFault ? 12 : excited - 1
    const kind = isFault ? random.pick(possible) : workOf(random, writeRate)
    operations.push({
      ...{ at, kind, instance: random.below(count), row: 1 + random.below(3) },
      key: hot !== undefined && random.chance(0.8) ? hot : random.pick(keys),
      lasts: lastsOf(random, kind),
    })
    left -= 8 + (pause * count * 7) / 1000
    if (isFault && (single || random.chance(0.3))) {
      const around = workAround(random, operations.at(-1)!, count)
      operations.push(...around)
      left -= 8 * around.length
    }
  }
  operations.sort((a, b) => a.at - b.at)
  return {
    ...{ seed, instances: count, redis, operations, length: at + 300 },
    database: random.pick(['sqlite', 'mssql'] as const),
    latency: latencyOf(random, [0.2, 1, 4]),
    databaseLatency: latencyOf(random, [0.2, 1, 4, 25, 120]),
    maxBytes: random.chance(0.1) ? 2500 : 1_000_000,
    counts: random.chance(0.5),
  }
}

/** Writes about the time when a fault begins or ends, and reads of what they write. */
function workAround(random: Random, { at, lasts, row }: Operation, count: number): Operation[] {
  const over = at + lasts
  const key = random.pick(['all', `id=${row}`])
  const make = (kind: 'read' | 'write', moment: number): Operation => ({
    ...{ kind, key, row, lasts: 0, at: Math.max(0, moment), instance: random.below(count) },
  })
  const soon = () => random.between(0, random.pick([15, 60, 600, 1300]))
  return [
    make('write', at - random.between(0, 120)),
    make('write', over + random.between(-300, 260)),
    ...Array.from({ length: 4 }, () => make('read', at + soon())),
    ...Array.from({ length: 6 }, () => make('read', over + soon())),
  ]
}

const latencyOf = (random: Random, means: number[]): Latency => ({
  mean: random.pick(means),
  slow: random.pick([0, 0, 0.01, 0.05]),
  slowest: random.pick([30, 90, 300, 900]),
})

function workOf(random: Random, writeRate: number): OperationKind {
  if (random.chance(0.01)) return random.pick(['a write past the API', 'an import'])
  return random.chance(writeRate) ? 'write' : 'read'
}

function lastsOf(random: Random, kind: OperationKind): number {
  const [least, most] = durations[kind as FaultKind] ?? [0, 0]
  // Short faults and long ones alike.
  return most === 0 ? 0 : least + (most - least) * random.next() ** random.pick([1, 4])
}
