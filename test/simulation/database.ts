import type { OutboxRow } from '../../plugins/cache/write.ts'
import type { Process, World } from './world.ts'

/** A row, as far as the world needs one; `stamp` tells its states apart. */
export interface Row {
  id: number
  type: string
  stamp: number
}

/** `sqlite`: one writer at a time. `mssql`: locks on rows, and readers see what is committed. */
export type DatabaseKind = 'sqlite' | 'mssql'

/** A state that the database had, from its commit until the next. */
interface Commit {
  time: number
  rows: ReadonlyMap<number, Row>
  /** Which write it was, and whose. */
  write: number
  by: Process | null
}

/** A transaction, as a write has it. */
export interface Transaction {
  id: number
  write: number
  rows: Map<number, Row | null>
  outbox: OutboxRow[]
  ended: boolean
  locks: Set<string>
  process: Process
}

/** The commit may have happened, or not. */
class OutcomeUnknown extends Error {}
/** The database has rolled back, and the transaction may run again. */
class Deadlock extends Error {}

/** How long the server takes to notice that a client is gone, in milliseconds. */
const noticeDelay = 500

export function createDatabase(world: World, kind: DatabaseKind, latency: () => number) {
  const random = world.randomOf('database')
  const open = new Set<Transaction>()
  const outbox = new Map<number, OutboxRow>()
  const owners = new Map<string, Transaction>()
  const queue: { lock: string; trx: Transaction; go: () => void; fail: (e: Error) => void }[] = []
  const commits: Commit[] = [{ time: -Infinity, rows: new Map(), write: 0, by: null }]
  const outboxListeners: ((write: number, mark: string, change: string) => void)[] = []
  let lastOutboxId = 0
  let lastTransaction = 0
  let failing = 0
  /** Milliseconds that the next commits take longer. */
  let stall = 0
  /** World time until which it does nothing. */
  let frozenUntil = 0

  const current = () => commits.at(-1)!.rows

  /** Milliseconds until something that is sent now is done. */
  const way = () => Math.max(0, frozenUntil - world.now) + latency()

  /** Does `work` at the database after some time, and gives its result after some more. */
  function ask<T>(process: Process, what: string, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      world.schedule(way(), null, () => {
        const fail = failing > 0 && random.chance(failing)
        let result: T
        try {
          if (fail) throw new Error('the database does not answer')
          result = work()
        } catch (error) {
          world.trace('database', `${what}: ${error}`)
          world.schedule(latency(), process, () => reject(error))
          return
        }
        if (world.tracing) world.trace('database', `${what} -> ${JSON.stringify(result) ?? 'ok'}`)
        world.schedule(latency(), process, () => resolve(result))
      })
    })
  }

  /** Waits for a lock; a ring of waiters ends with the loss of the one that closes it. */
  function lock(trx: Transaction, name: string): Promise<void> {
    world.touch('locks', true)
    const wanted = kind === 'sqlite' ? 'all' : name
    const owner = owners.get(wanted)
    if (owner === trx) return Promise.resolve()
    if (owner === undefined) {
      owners.set(wanted, trx)
      trx.locks.add(wanted)
      return Promise.resolve()
    }
    if (waitsFor(owner, trx)) return Promise.reject(new Deadlock('deadlock'))
    return new Promise((go, fail) => queue.push({ lock: wanted, trx, go, fail }))
  }

  function waitsFor(waiter: Transaction, trx: Transaction): boolean {
    const waits = queue.find((one) => one.trx === waiter)
    if (waits === undefined) return false
    const owner = owners.get(waits.lock)
    return owner === trx || (owner !== undefined && waitsFor(owner, trx))
  }

  function end(trx: Transaction): void {
    if (trx.ended) return
    trx.ended = true
    world.touch('locks', true)
    for (let at = queue.length - 1; at >= 0; at -= 1)
      if (queue[at]!.trx === trx) queue.splice(at, 1)
    for (const name of trx.locks) {
      owners.delete(name)
      const next = queue.findIndex((one) => one.lock === name)
      if (next < 0) continue
      const [waiter] = queue.splice(next, 1)
      owners.set(name, waiter!.trx)
      waiter!.trx.locks.add(name)
      world.schedule(0, null, waiter!.go)
    }
  }

  function begin(process: Process, write: number): Transaction {
    lastTransaction += 1
    const id = lastTransaction
    return { id, write, rows: new Map(), outbox: [], ended: false, locks: new Set(), process }
  }

  /** What a transaction commits becomes the state of all, at this moment. */
  function apply(trx: Transaction): void {
    if (trx.ended) throw new Error('the transaction has ended')
    const rows = new Map(current())
    for (const [id, row] of trx.rows) {
      if (row === null) rows.delete(id)
      else rows.set(id, row)
    }
    for (const row of trx.outbox) outbox.set(row.id, row)
    commits.push({ time: world.now, rows, write: trx.write, by: trx.process })
    world.trace('database', `commit of write ${trx.write}`)
    world.reached('commit')
    world.touch('rows', true)
    if (trx.outbox.length > 0) world.touch('outbox', true)
    world.touch('history', true)
    end(trx)
  }

  function commit(trx: Transaction): Promise<void> {
    const { process } = trx
    return new Promise((resolve, reject) => {
      world.schedule(way() + stall, null, () => {
        world.touch('locks', false)
        if (trx.ended) {
          world.schedule(latency(), process, () => reject(new OutcomeUnknown()))
          return
        }
        const fate = failing > 0 && kind === 'mssql' ? random.next() : 1
        if (fate < failing / 2) end(trx)
        else apply(trx)
        const unknown = fate < failing
        world.schedule(latency(), process, () =>
          unknown ? reject(new OutcomeUnknown('the connection broke in the commit')) : resolve(),
        )
      })
    })
  }

  function rollback(trx: Transaction): Promise<void> {
    return ask(trx.process, `rollback of write ${trx.write}`, () => end(trx)).catch(() => end(trx))
  }

  return {
    commits,
    current,
    outbox,
    /** Reads one snapshot of what is committed. */
    query: <T>(process: Process, what: string, read: (rows: ReadonlyMap<number, Row>) => T) =>
      ask(process, what, () => {
        world.touch('rows', false)
        world.reached('query')
        return read(current())
      }),
    /** The name of the data set, which never changes. */
    name: (process: Process) => ask(process, 'the name of the data set', () => 'data'),
    readOutbox: (process: Process) =>
      ask(process, 'read the outbox', () => {
        world.touch('outbox', false)
        if (outbox.size > 0) world.reached('outbox read')
        return [...outbox.values()].map((row) => ({ ...row }))
      }),
    removeOutbox: (process: Process, ids: number[]) =>
      ids.length === 0
        ? Promise.resolve()
        : ask(process, `remove ${ids} from the outbox`, () => {
            for (const id of ids) world.touch('outbox', outbox.delete(id))
          }),
    removeByMark: (process: Process, mark: string) =>
      ask(process, `remove ${mark} from the outbox`, () => {
        world.touch('outbox', false)
        for (const [id, row] of outbox) {
          if (row.mark === mark) world.touch('outbox', outbox.delete(id))
        }
      }),
    insertOutbox(trx: Transaction, change: string, mark: string | null): Promise<void> {
      if (mark !== null) for (const listener of outboxListeners) listener(trx.write, mark, change)
      return ask(trx.process, `outbox ${mark} of write ${trx.write}`, () => {
        // Ids are given at the insert, so the order of commits may be another.
        world.touch('outbox ids', true)
        lastOutboxId += 1
        trx.outbox.push({ id: lastOutboxId, change, mark })
        world.reached('outbox row')
      })
    },
    /** Called with each write and the mark under which it may commit. */
    onOutbox: (listener: (typeof outboxListeners)[number]) => void outboxListeners.push(listener),
    /** Locks a row, gives it as it is, and changes it. */
    async change(trx: Transaction, id: number, make: (row: Row | undefined) => Row | null) {
      await ask(trx.process, `write ${trx.write} asks for row ${id}`, () => {})
      await lock(trx, `row ${id}`)
      return ask(trx.process, `write ${trx.write} changes row ${id}`, () => {
        if (trx.ended) throw new Error('the transaction has ended')
        for (const name of ['rows', 'locks']) world.touch(name, false)
        const before = trx.rows.has(id) ? (trx.rows.get(id) ?? undefined) : current().get(id)
        const after = make(before)
        trx.rows.set(id, after)
        return { before, after }
      })
    },
    /** Runs `work` in a transaction, again after a deadlock. */
    async transaction<T>(
      process: Process,
      write: number,
      work: (trx: Transaction) => Promise<T>,
    ): Promise<T> {
      for (let attempt = 1; ; attempt += 1) {
        const trx = begin(process, write)
        open.add(trx)
        try {
          const result = await work(trx)
          if (kind === 'mssql' && attempt === 1 && random.chance(failing / 4)) throw new Deadlock()
          await commit(trx)
          return result
        } catch (error) {
          if (!(error instanceof OutcomeUnknown)) await rollback(trx)
          if (!(error instanceof Deadlock) || attempt === 3) throw error
        } finally {
          open.delete(trx)
        }
      }
    },
    /** A process is gone: what it had open is rolled back, at once where the database was part of it. */
    abandon(process: Process): void {
      for (const trx of [...open].filter((one) => one.process === process)) {
        open.delete(trx)
        world.schedule(kind === 'sqlite' ? 0 : noticeDelay, null, () => end(trx))
      }
    },
    /** As SQLite's `PRAGMA data_version`: moves with every commit of another process. */
    foreignVersion: (process: Process) => commits.filter(({ by }) => by !== process).length,
    setFailing(probability: number): void {
      failing = probability
    },
    setStall(ms: number): void {
      stall = ms
    },
    freeze(ms: number): void {
      frozenUntil = Math.max(frozenUntil, world.now + ms)
    },
  }
}

export type Database = ReturnType<typeof createDatabase>
