import type { Change } from '../../plugins/cache/tags.ts'
import type { Database } from './database.ts'
import { createExactness, type Read } from './exactness.ts'
import { createExceptions, type Exception } from './exceptions.ts'
import { answerOf, keys } from './instance.ts'
import type { RedisServer } from './redis-server.ts'
import type { World } from './world.ts'

export interface Violation {
  time: number
  text: string
}

interface State {
  /** When it began to stand, and by which write. */
  time: number
  body: string
  write: number
}

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
  const exactness = createExactness()
  const onEntry = (change: Change) => exactness.entry(world.now, change)
  const { excuse, disturbedAt, ...events } = createExceptions(world, server, { onEntry, fail })
  let seen = 1

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
    /** `exact`: it is judged too whether the answer was made anew without a reason. */
    judge(read: Read, exact: boolean): void {
      judge(read)
      if (violations.length > 0) return
      const why = exactness.judge(read, exact && !disturbedAt(read.arrived))
      if (why !== undefined) blame(read, why)
    },
    /** An instance has nothing left of what it held. */
    forget: exactness.forget,
    ...events,
  }
}

export type Judge = ReturnType<typeof createJudge>
