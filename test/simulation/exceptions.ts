import { type Change, parseChange } from '../../plugins/cache/tags.ts'
import { waits } from '../../plugins/cache/waits.ts'
import type { WriteReport } from './instance.ts'
import type { Reply } from './redis-data.ts'
import type { Command, RedisServer } from './redis-server.ts'
import type { World } from './world.ts'

/** What is stated as an exception in docs/cache.md. */
export type Exception =
  | 'a writer alone without redis'
  | 'a commit that stalls'
  | 'a failover behind a proxy'
  | 'data loaded past the API'
  | 'SQL by hand without an outbox row'

/** How a writer's way to Redis was when it had asked for its mark and went on to commit. */
export interface Reach {
  /** Since when it has heard nothing from Redis. */
  heard: number
  /** Its own link did not carry anything lately, whatever Redis did. */
  cutOff: boolean
}

/** Where a write past the API says that it was made. */
export type Past = 'outbox' | 'nowhere'

/** A write, as far as it is known what became of it. */
interface WriteRecord {
  /** Made past the API: its own outbox row says `*`, or it has none. */
  past?: Past
  report?: WriteReport
  marks: Map<string, Reach & { asked: number; change: string }>
}

/** A mark that Redis had: when it came, when its lease ended, and when its writer last asked for it. */
interface MarkRecord {
  time: number
  lease: number
  asked?: number
}

/** A state that a read should have seen: since when it stood, and by which write. */
export interface Missed {
  time: number
  write: number
}

/** When a read arrived and was answered. */
export interface Span {
  arrived: number
  answered: number
}

/** A second is how long a new epoch stores nothing, and how often a server's identity is asked. */
const second = 1000

/** How long after the end of a disturbance the cache may be out of use, in milliseconds. */
const recovery = 4500

/** How long the outbox may hide a write: two rounds of the relay, and the ways there and back. */
const relayed = 2.7 * second

/** How long a write without a mark has waited for Redis, at the least. */
const patience = 1.9 * second

/**
 * Knows what happened to each write at Redis, and so whether one of the exceptions that are stated lets a
 * read miss it.
 */
export function createExceptions(
  world: World,
  server: RedisServer | undefined,
  { onEntry, fail }: { onEntry: (change: Change) => void; fail: (text: string) => void },
) {
  const writes = new Map<number, WriteRecord>()
  const marks = new Map<string, MarkRecord>()
  const finished = new Map<string, number[]>()
  const cleared: number[] = []
  const epochs: number[] = []
  /** When Redis's clock was set forward, and by how much. */
  const jumps: { time: number; by: number }[] = []
  const failovers: { time: number; since: number }[] = []
  /** When Redis could be reached again, and when an instance did so. */
  const returns: number[] = [0]
  const attached: number[] = []
  let disturbedUntil = recovery

  server?.onCommand((command, reply) => hear(command, reply))
  server?.onSend(({ name, argv }) => {
    if (name === 'cache:isMarked' && marks.has(argv[0]!)) marks.get(argv[0]!)!.asked = world.now
  })

  /** Learns from what Redis does when a change has reached every instance. */
  function hear({ name, argv }: Command, reply: Reply): void {
    const { now: time } = world
    if (name === 'cache:mark' && reply === 1) {
      marks.set(argv[0]!, { time, lease: time + waits.lease })
      onEntry(parseChange(argv[1]!))
    } else if (name === 'cache:finish' && typeof reply === 'number') {
      const change = parseChange(argv[1]!)
      onEntry(change)
      if (change === '*') cleared.push(time)
      const mark = argv[0]!
      checkChange(mark, argv[1]!)
      if (mark !== '') finished.set(mark, [...(finished.get(mark) ?? []), time])
    } else if (name === 'cache:isMarked' && reply === 1) {
      const mark = marks.get(argv[0]!)
      if (mark !== undefined) mark.asked = time
    } else if (name === 'cache:attach') {
      attached.push(time)
      if (reply !== `${argv[0]} 0 -`) return
      cleared.push(time)
      epochs.push(time)
      onEntry('*')
    }
  }

  /** A write removes what it changes and nothing else: what it says is what its outbox row says. */
  function checkChange(mark: string, change: string): void {
    for (const { marks: own } of writes.values()) {
      const said = own.get(mark)?.change
      if (said !== undefined && said !== change) {
        fail(`a write under ${mark} of ${said} removes ${change} from the cache`)
      }
    }
  }

  /** When every instance had to know of a committed write. */
  function appliedAt(record: WriteRecord, committed: number): number {
    const own = [...record.marks.keys()].flatMap((mark) => finished.get(mark) ?? [])
    const after = [...own, ...cleared].filter((time) => time >= committed)
    return Math.min(Infinity, ...after)
  }

  function excuse(read: Span, { write, time: committed }: Missed): Exception | undefined {
    const record = writes.get(write)
    if (record === undefined) return undefined
    if (failoverHid(read, record, committed)) return 'a failover behind a proxy'
    if (read.arrived >= appliedAt(record, committed)) return undefined
    const latest = Math.max(committed, disturbedUntil - recovery) + relayed
    if (record.past === 'nowhere') return server && 'SQL by hand without an outbox row'
    if (record.past) return read.arrived < latest ? 'data loaded past the API' : undefined
    const [id, reach] = [...record.marks].at(-1) ?? []
    if (id === undefined || reach === undefined) return undefined
    const mark = marks.get(id)
    if (mark?.asked)
      return stalled(mark, mark.asked, committed) ? 'a commit that stalls' : undefined
    // Only one that its writer does not know to be there need not be asked for.
    if (record.report?.placed) return undefined
    if (read.arrived >= latest) return undefined
    if (alone(reach)) return 'a writer alone without redis'
    return lateWithoutMark(reach, committed) ? 'a commit that stalls' : undefined
  }

  /** It found no Redis, or no epoch there, and its commit came when the others had long been back. */
  const lateWithoutMark = ({ asked }: { asked: number }, committed: number) =>
    lateInEpoch(asked, committed) ||
    returns.some(
      (back) =>
        back > asked &&
        committed > back + 0.7 * second &&
        wasReached({ from: back, to: committed }),
    )

  const wasReached = ({ from, to }: { from: number; to: number }) =>
    attached.some((time) => time >= from && time <= to)

  /** The writer has waited, and it is not that Redis has only just come back for all. */
  const alone = ({ asked, heard, cutOff }: Reach & { asked: number }) =>
    asked - heard >= patience && (cutOff || asked - returns.at(-1)! >= 0.9 * second)

  /** It came after its lease, or long after the beginning of an epoch that its mark was not asked for in. */
  const stalled = ({ time, lease }: MarkRecord, asked: number, committed: number): boolean =>
    committed + forward(time, committed) >= lease || lateInEpoch(asked, committed)

  /** An epoch began since then, and its first second was over before the commit. */
  const lateInEpoch = (since: number, committed: number): boolean =>
    epochs.some((began) => began > since && committed + forward(began, committed) > began + second)

  /** How far Redis's clock was set forward in that time: leases, and an epoch's first second, end sooner. */
  const forward = (from: number, to: number): number =>
    jumps.filter(({ time }) => time >= from && time <= to).reduce((sum, { by }) => sum + by, 0)

  /** What notices of the write went to a server that was replaced by one that lacks it. */
  function failoverHid(read: Span, record: WriteRecord, committed: number): boolean {
    const notices = [...record.marks.keys()].flatMap((mark) => [
      ...(finished.get(mark) ?? []),
      ...(marks.has(mark) ? [marks.get(mark)!.time] : []),
    ])
    notices.push(...cleared.filter((at) => at >= committed))
    return failovers.some(({ time, since }) => {
      const lost = notices.some((at) => at >= since && at <= time)
      return lost && read.answered >= time && read.arrived < time + 1.3 * second
    })
  }

  return {
    /** The exception under which a read may miss a write, or undefined. */
    excuse,
    /** Whether something may have kept the cache from being used at that time. */
    disturbedAt: (time: number) => time < disturbedUntil,
    /** A write begins. */
    begin: (write: number, how: Pick<WriteRecord, 'past' | 'report'>) =>
      void writes.set(write, { ...how, marks: new Map() }),
    /** A write has its mark, or none, and goes on to commit. */
    asked(write: number, mark: string, change: string, reach: Reach): void {
      writes.get(write)?.marks.set(mark, { ...reach, asked: world.now, change })
    },
    /** Redis can be reached by all whose link carries anything. */
    available(from: number): void {
      if (from > returns.at(-1)!) returns.push(from)
    },
    /** Something keeps the cache from being used, until then. */
    disturb(until: number): void {
      disturbedUntil = Math.max(disturbedUntil, until + recovery)
    },
    failover: (since: number) => void failovers.push({ time: world.now, since }),
    /** Redis's clock was set, by so much. */
    clockSet: (by: number) => void (by > 0 && jumps.push({ time: world.now, by })),
  }
}
