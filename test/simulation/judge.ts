import { parseChange } from '../../plugins/cache/tags.ts'
import { waits } from '../../plugins/cache/waits.ts'
import type { Database } from './database.ts'
import { createExactness } from './exactness.ts'
import { answerOf, keys } from './instance.ts'
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

export interface Violation {
  time: number
  text: string
}

/** An answer that a client got: which instance, when it took the request, and when it answered. */
export interface Read {
  instance: string
  key: string
  form: string | undefined
  arrived: number
  answered: number
  body: string
  status: string
}

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
  past: Past | undefined
  marks: Map<string, Reach & { asked: number; change: string }>
}

/** A mark that Redis had: when it came, when its lease ended, and when its writer last asked for it. */
interface MarkRecord {
  time: number
  lease: number
  asked?: number
}

interface State {
  /** When it began to stand, and by which write. */
  time: number
  body: string
  write: number
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
 * Judges each read against all states that the database has had, and against the exceptions that are
 * stated, each by what really happened in this world.
 */
export function createJudge(world: World, database: Database, server: RedisServer | undefined) {
  const violations: Violation[] = []
  const exceptions = new Map<Exception, number>()
  const states = new Map<string, State[]>(
    keys.map((key) => [key, [{ time: -Infinity, body: answerOf(key, new Map()), write: 0 }]]),
  )
  const writes = new Map<number, WriteRecord>()
  const marks = new Map<string, MarkRecord>()
  const finished = new Map<string, number[]>()
  const cleared: number[] = []
  const epochs: number[] = []
  /** When Redis's clock was set forward, and by how much. */
  const jumps: { time: number; by: number }[] = []
  const exactness = createExactness()
  const failovers: { time: number; since: number }[] = []
  let seen = 1
  let disturbedUntil = recovery
  let availableSince = 0

  server?.onCommand((command, reply) => hear(command, reply))
  server?.onSend(({ name, argv }) => {
    if (name === 'cache:isMarked' && marks.has(argv[0]!)) marks.get(argv[0]!)!.asked = world.now
  })

  /** Learns from what Redis does when a change has reached every instance. */
  function hear({ name, argv }: Command, reply: Reply): void {
    const { now: time } = world
    if (name === 'cache:mark' && reply === 1) {
      marks.set(argv[0]!, { time, lease: time + waits.lease })
      exactness.entry(time, parseChange(argv[1]!))
    } else if (name === 'cache:finish' && typeof reply === 'number') {
      const change = parseChange(argv[1]!)
      exactness.entry(time, change)
      if (change === '*') cleared.push(time)
      const mark = argv[0]!
      checkChange(mark, argv[1]!)
      if (mark !== '') finished.set(mark, [...(finished.get(mark) ?? []), time])
    } else if (name === 'cache:isMarked' && reply === 1) {
      const mark = marks.get(argv[0]!)
      if (mark !== undefined) mark.asked = time
    } else if (name === 'cache:attach' && reply === `${argv[0]} 0 -`) {
      cleared.push(time)
      epochs.push(time)
      exactness.entry(time, '*')
    }
  }

  function follow(): void {
    for (; seen < database.commits.length; seen += 1) {
      const { time, rows, write } = database.commits[seen]!
      for (const key of keys) {
        const body = answerOf(key, rows)
        const all = states.get(key)!
        if (all.at(-1)!.body !== body) all.push({ time, body, write })
      }
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

  /** The exception under which a read may miss a write, or undefined. */
  function excuse(read: Read, { write, time: committed }: State): Exception | undefined {
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
    if (mark !== undefined) return stalled(mark, committed) ? 'a commit that stalls' : undefined
    if (read.arrived >= latest) return undefined
    if (alone(reach)) return 'a writer alone without redis'
    return lateWithoutMark(reach, committed) ? 'a commit that stalls' : undefined
  }

  /** It found no Redis, and its commit came when the others had long been back. */
  const lateWithoutMark = ({ asked }: { asked: number }, committed: number) =>
    availableSince > asked && committed > availableSince + 0.7 * second

  /** The writer has waited, and it is not that Redis has only just come back for all. */
  const alone = ({ asked, heard, cutOff }: Reach & { asked: number }) =>
    asked - heard >= patience && (cutOff || asked - availableSince >= 0.9 * second)

  /** It came after its lease, or long after the beginning of an epoch that its mark was not asked for in. */
  function stalled({ time, lease, asked = Infinity }: MarkRecord, committed: number): boolean {
    const late = epochs.filter((began) => began > asked)
    return (
      committed + forward(time, committed) >= lease ||
      late.some((began) => committed + forward(began, committed) > began + second)
    )
  }

  /** How far Redis's clock was set forward in that time: leases, and an epoch's first second, end sooner. */
  const forward = (from: number, to: number): number =>
    jumps.filter(({ time }) => time >= from && time <= to).reduce((sum, { by }) => sum + by, 0)

  /** What told of the write went to a server that was replaced by one that lacks it. */
  function failoverHid(read: Read, record: WriteRecord, committed: number): boolean {
    const told = [...record.marks.keys()].flatMap((mark) => [
      ...(finished.get(mark) ?? []),
      ...(marks.has(mark) ? [marks.get(mark)!.time] : []),
    ])
    told.push(...cleared.filter((at) => at >= committed))
    return failovers.some(({ time, since }) => {
      const lost = told.some((at) => at >= since && at <= time)
      return lost && read.answered >= time && read.arrived < time + 1.3 * second
    })
  }

  function judge(given: Read): void {
    follow()
    const { form = '' } = given
    if (!given.body.startsWith(`${form}{`)) {
      blame(given, 'which is of another form')
      return
    }
    const read = { ...given, body: given.body.slice(form.length) }
    const all = states.get(read.key)!
    let current = all.length - 1
    while (all[current]!.time > read.arrived) current -= 1
    for (let at = current; at < all.length && all[at]!.time <= read.answered; at += 1) {
      if (all[at]!.body === read.body) return
    }
    const old = all.findLastIndex(({ body }, at) => at < current && body === read.body)
    const missed = old < 0 ? missedByCount(read, all, current) : all.slice(old + 1, current + 1)
    if (missed === undefined) {
      blame(read, 'which never stood so')
      return
    }
    const reasons = missed.map((state) => excuse(read, state))
    const unexcused = missed.filter((_, index) => reasons[index] === undefined)
    if (unexcused.length === 0) {
      const reason = reasons.at(-1)!
      exceptions.set(reason, (exceptions.get(reason) ?? 0) + 1)
      world.trace('judge', `a stale read by the exception "${reason}"`)
      return
    }
    const { write, time } = unexcused[0]!
    blame(read, `without write ${write}, which was committed at ${time.toFixed(1)}`)
  }

  /**
   * The writes between the number and the rows of an answer that mixes two states: it may use another
   * answer that is held, and so combine what an exception lets stand with what the database says.
   */
  function missedByCount({ body, answered }: Read, all: State[], current: number) {
    const countOf = (text: string) => text.slice(text.indexOf('"count"'))
    const rowsOf = (text: string) => text.slice(0, text.indexOf('"count"'))
    const rows = all.findLastIndex(
      (state, at) => at >= current && state.time <= answered && rowsOf(state.body) === rowsOf(body),
    )
    const count = all.findLastIndex(
      (state, at) => at < rows && countOf(state.body) === countOf(body),
    )
    return count < 0 ? undefined : all.slice(count + 1, rows + 1)
  }

  function blame({ instance, key, arrived, answered, body, status }: Read, why: string): void {
    const span = `${arrived.toFixed(1)}..${answered.toFixed(1)}`
    const text = `${instance} answered ${key} at ${span} (${status}) with ${body}, ${why}`
    fail(text)
  }

  function fail(text: string): void {
    violations.push({ time: world.now, text })
    world.trace('judge', `VIOLATION: ${text}`)
    world.stop()
  }

  return {
    violations,
    exceptions,
    judge(read: Read, exact: boolean): void {
      judge(read)
      if (violations.length > 0) return
      const why = exactness.judge(read, exact && read.arrived >= disturbedUntil)
      if (why !== undefined) blame(read, why)
    },
    /** A write begins. */
    begin: (write: number, past?: Past) => void writes.set(write, { past, marks: new Map() }),
    /** A write has its mark, or none, and goes on to commit. */
    asked(write: number, mark: string, change: string, reach: Reach): void {
      writes.get(write)?.marks.set(mark, { ...reach, asked: world.now, change })
    },
    /** Redis can be reached by all whose link carries anything. */
    available(from: number): void {
      availableSince = Math.max(availableSince, from)
    },
    /** Something keeps the cache from being used, until then. */
    disturb(until: number): void {
      disturbedUntil = Math.max(disturbedUntil, until + recovery)
    },
    /** An instance has nothing left of what it held. */
    forget: exactness.forget,
    failover: (since: number) => void failovers.push({ time: world.now, since }),
    /** Redis's clock was set, by so much. */
    clockSet: (by: number) => void (by > 0 && jumps.push({ time: world.now, by })),
  }
}

export type Judge = ReturnType<typeof createJudge>
