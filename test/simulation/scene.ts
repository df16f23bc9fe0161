import {
  type FaultKind,
  type Operation,
  type OperationKind,
  otherSteps,
  type Step,
  writeSteps,
} from './operation.ts'
import type { Random } from './random.ts'

export interface SceneOptions {
  /** How many instances there are. */
  count: number
  /** The faults of this world. */
  kinds: readonly FaultKind[]
  lastsOf: (random: Random, kind: OperationKind) => number
}

/**
 * A fault with what makes it dangerous: answers that are held, a write whose steps it may hit or whose
 * commit is slow, another fault in the recovery, writes about its end, and reads at each moment of these.
 */
export function scene(
  random: Random,
  fault: Operation,
  { count, kinds, lastsOf }: SceneOptions,
): Operation[] {
  const { at, row, lasts } = fault
  const over = at + lasts
  const key = random.pick(['all', `id=${row}`])
  const make = (kind: OperationKind, moment: number, more: Partial<Operation> = {}): Operation => ({
    ...{ kind, key, row, lasts: 0, at: Math.max(0, moment), instance: random.below(count) },
    ...more,
  })
  const times = <T>(number: number, of: () => T): T[] => Array.from({ length: number }, of)
  const soon = () => random.between(0, random.pick([15, 60, 600, 1300]))
  const step = (): Step => random.pick<Step>(random.chance(0.6) ? writeSteps : otherSteps)
  const short = () => random.between(0, random.pick([0.5, 5, 40]))
  const another = () => ({ row: 1 + random.below(3) })
  const sometimes = (probability: number, of: () => Operation[]) =>
    random.chance(probability) ? of() : []

  const writing = random.chance(0.1) ? 'a write past the API' : 'write'
  const hits = random.chance(0.6) ? { waitsFor: step(), delay: short() * 0.1 } : {}
  const begins = 'waitsFor' in hits ? at + random.between(0, 3) : at - random.between(0, 120)
  return [
    ...times(count, () => make('read', at - random.between(1, 60))),
    make(writing, begins),
    { ...fault, ...hits },
    ...times(3, () => make('read', at + soon())),
    ...times(4, () => make('read', over + soon())),
    ...times(3, () => make('read', at, { waitsFor: 'commit', delay: short() })),
    ...sometimes(0.7, () => [make('write', over + random.between(-300, 260))]),
    ...sometimes(0.3, () => [make('write', at, { waitsFor: step(), delay: short() })]),
    ...sometimes(0.3, () =>
      times(2, () => make('write', random.between(at, over + 20), another())),
    ),
    ...sometimes(0.5, () => times(count + 1, () => make('read', over + random.between(900, 4000)))),
    ...sometimes(0.3, () => {
      const kind = random.pick(kinds)
      const again = { lasts: lastsOf(random, kind), waitsFor: step(), delay: short() }
      return [make(kind, over - random.between(0, 20), again)]
    }),
    ...sometimes(0.45, () => {
      const slow = random.pick([150, 700, 700, 1200, 2500])
      const kind = random.pick(['commits stall', 'the database freezes'] as const)
      return [
        make(kind, at - 10, { lasts: slow, ...(random.chance(0.3) && hits) }),
        ...times(6, () => make('read', at + random.between(0, slow + 60))),
      ]
    }),
  ]
}

/** An instance that reads a row, and another one that writes it. */
function roles(random: Random, count: number) {
  const reader = random.below(count)
  const writer = (reader + 1 + random.below(count - 1)) % count
  return { reader, writer, row: 1 + random.below(3) }
}

/**
 * A failover behind a proxy about which two histories part that are equally long. On the old server the
 * mark of one write is the last entry, on the new one it is the end of another; and between the query and
 * the storing of what the latter has changed, an instance stands still.
 */
export function parting(random: Random, { at, lasts }: Operation, count: number): Operation[] {
  const over = at + lasts
  const { reader, writer, row } = roles(random, count)
  const other = 1 + (row % 3)
  const base = { instance: writer, key: `id=${row}`, row, lasts: 0 }
  const reads = at + lasts * random.between(0.3, 0.7)
  const wakes = over + random.between(20, 100)
  return [
    { ...base, kind: 'commits stall', at: at - 20, lasts: lasts + random.between(25, 60) },
    { ...base, kind: 'write', at: at - random.between(2, 15) },
    { ...base, kind: 'write', at: at + lasts * random.between(0, 0.2), row: other },
    { ...base, kind: 'read', at: reads, instance: reader },
    {
      ...{ ...base, kind: 'an instance paused', at: reads, instance: reader },
      ...{ lasts: wakes - reads, waitsFor: 'query' },
    },
    ...Array.from({ length: 6 }, () => ({
      ...{ ...base, kind: 'read' as const, instance: reader },
      at: wakes + random.between(5, random.pick([60, 400])),
    })),
  ]
}

/** An outage that an instance sleeps through, and wakes about its end; another one writes meanwhile. */
export function sleeping(random: Random, { at, lasts }: Operation, count: number): Operation[] {
  const over = at + lasts
  const { reader, writer, row } = roles(random, count)
  const base = { instance: reader, key: `id=${row}`, row, lasts: 0 }
  const sleeps = at - random.between(1, 30)
  const wakes = over + random.between(-20, random.pick([20, 250]))
  return [
    { ...base, kind: 'read', at: sleeps - random.between(15, 60) },
    { ...base, kind: 'an instance paused', at: sleeps, lasts: wakes - sleeps },
    { ...base, kind: 'write', at: at + random.between(0, 300), instance: writer },
    ...Array.from({ length: 6 }, () => ({
      ...{ ...base, kind: 'read' as const, at: wakes + random.between(-30, 200) },
    })),
  ]
}

/** An outage at whose end a write goes on without a mark, and commits when the others are back. */
export function returning(random: Random, { at, lasts }: Operation, count: number): Operation[] {
  const over = at + lasts
  const { reader, writer, row } = roles(random, count)
  const base = { instance: reader, key: `id=${row}`, row, lasts: 0 }
  const stalls = random.between(100, 600)
  return [
    { ...base, kind: 'read', at: at - random.between(15, 60) },
    { ...base, kind: 'read', at: at + random.between(1, lasts) },
    {
      ...{ ...base, kind: 'write', at: over - random.between(1, 80) },
      instance: writer,
    },
    { ...base, kind: 'commits stall', at: over - 200, lasts: stalls },
    ...Array.from({ length: 8 }, () => ({
      ...{ ...base, kind: 'read' as const, at: over + random.between(0, stalls + 500) },
    })),
  ]
}

/** A time in which Redis can be read and takes no writes: those who only read have to notice too. */
export function refusing(random: Random, at: number, count: number): Operation[] {
  const lasts = random.between(100, random.pick([1500, 5000]))
  const reader = random.below(count)
  const writer = (reader + 1 + random.below(count - 1)) % count
  const row = 1 + random.below(3)
  const base = { instance: reader, key: `id=${row}`, row, lasts: 0 }
  return [
    { ...base, kind: 'read', at: at - random.between(30, 150) },
    { ...base, kind: 'redis takes no writes', at, lasts },
    {
      ...{ ...base, kind: 'write', at: at + random.between(-5, random.pick([50, lasts])) },
      instance: writer,
    },
    ...Array.from({ length: 20 }, () => ({
      ...{ ...base, kind: 'read' as const, at: at + random.between(0, lasts + 2500) },
    })),
  ]
}
