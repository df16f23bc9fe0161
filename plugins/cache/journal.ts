import { randomBytes } from 'node:crypto'
import { tellAll, type Waiting, waitIn } from './checks.ts'
import type { pack } from './entry.ts'
import { type CacheKey, type Change, everything, touches } from './keys.ts'
import { markLease } from './protocol.ts'
import type { JournalEntry, Replica, Version } from './replica.ts'

/** A write that has begun: until it is finished, what it touches is neither served nor stored. */
export interface Mark {
  id: string
  change: Change
  placed: boolean
  /** `performance.now()` when the mark was asked for: its lease ends no earlier than counted so. */
  since: number
}

/** What a listing of the cache says of an answer. */
export interface Listed {
  key: string
  tags: string[]
  bytes: number
  /** Seconds. */
  age: number
  ttl: number
}

export interface Journal {
  /**
   * Rule 4. Brings the replica up to a moment after this call, and gives what `use` makes of it then.
   * Not `current`: it cannot be told now (rule 8). At once where nothing has to be asked; else `use`
   * is called among those of other requests, see `waitIn`.
   */
  catchUp: <T>(use: (current: boolean) => T) => T | Promise<T>
  /**
   * Rule 6. Opens a change: entries it touches are dead, and none is stored until the mark is finished
   * or its lease runs out. Not `placed`: the journal is out of reach, the outbox has to do.
   */
  mark: (change: Change) => Promise<Mark>
  /** Rule 6. Whether a mark still stands, asked last thing before the commit; undefined: who knows. */
  holds: (mark: Mark) => Promise<boolean | undefined>
  /** Rule 6. Ends a change after its commit or rollback. `false`: not done, the outbox has to do. */
  finish: (change: Change, mark: string | null) => Promise<boolean>
  /** Rule 6. Ends a change found in the outbox, unless `catchUp` has seen it already. */
  relay: (change: Change, mark: string | null) => Promise<boolean>
  /**
   * Rule 3. Whether the answer of a fill may be stored: the version by which it stands, or undefined.
   * A shared tier keeps what `packed` gives, unless it is too large.
   */
  store: (fill: Fill, packed: () => Promise<Packed>, ttl: number) => Promise<Approved | undefined>
  /** The shared copy of an answer, and the version by which it stands. */
  load: (key: string) => Promise<Loaded | undefined>
  /** The shared copies, at most `limit`; undefined where there is no shared tier or it is away. */
  list: (limit: number) => Promise<Omit<Listed, 'age'>[] | undefined>
  /** `unset`: there is no Redis to speak of. */
  state: () => 'ok' | 'unavailable' | 'unset'
  remove: (key: string) => Promise<void>
  close: () => Promise<void>
}

/** A query about to be sent, and the version read before it (rule 3). */
export interface Fill extends CacheKey {
  version: Version
  /** The version could not be read: the answer is not to be stored. */
  bypass: boolean
}

export type Packed = Awaited<ReturnType<typeof pack>>

/** The version by which an answer may be stored, and whether the shared tier has it now. */
export interface Approved {
  version: Version
  shared: boolean
}

export interface Loaded {
  meta: string
  bytes: Buffer
  version: Version
  /** Milliseconds that it may still be served. */
  ttl: number
}

/** What a journal tells the instance's own copies. */
export interface JournalEvents {
  onEntry: (entry: JournalEntry) => void
  onReset: (version: Version) => void
}

/** What cannot be told is not so. */
function attempt(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

/** A name that no other will ever have. */
export const randomToken = () => randomBytes(9).toString('base64url')

/**
 * Rule 9. The journal of a process that shares its cache with nobody. Commits by other processes are
 * seen by `foreignVersion`; what they changed is not known, so that everything goes.
 */
export function createLocalJournal(
  replica: Replica,
  { onEntry, onReset }: JournalEvents,
  foreignVersion?: () => number,
): Journal {
  const marks = new Map<string, { change: Change; expires: number }>()
  let foreign = foreignVersion?.()
  onReset({ epoch: randomToken(), position: 0, token: '' })

  const append = (change: Change) =>
    onEntry({ position: replica.version.position + 1, token: randomToken(), change })

  const check = () => {
    const seen = foreignVersion?.()
    if (seen !== foreign) {
      foreign = seen
      append(everything)
    }
    return true
  }

  let waiting: Waiting = []
  /**
   * The requests of one turn of the event loop share a check, which comes after all of them: what is
   * set immediate runs when every socket that had something to read has been read.
   */
  const catchUp = <T>(use: (current: boolean) => T): T | Promise<T> => {
    if (foreignVersion === undefined) return use(true)
    if (waiting.length === 0) {
      setImmediate(() => {
        const all = waiting
        waiting = []
        tellAll(all, attempt(check))
      })
    }
    return waitIn(waiting, use)
  }

  const finish = async (change: Change, mark: string | null) => {
    append(change)
    if (mark !== null) marks.delete(mark)
    return true
  }

  return {
    catchUp,
    finish,
    mark: async (change) => {
      const since = performance.now()
      const mark = { id: randomToken(), change, placed: true, since }
      marks.set(mark.id, { change, expires: since + markLease })
      append(change)
      return mark
    },
    holds: async ({ id }) => (marks.get(id)?.expires ?? 0) > performance.now(),
    relay: async (change, mark) => foreignVersion !== undefined || finish(change, mark),
    store: async (fill) => {
      check()
      for (const [id, { change, expires }] of marks) {
        if (expires <= performance.now()) marks.delete(id)
        else if (touches(change, fill)) return undefined
      }
      if (!replica.unchangedSince(fill.version, fill)) return undefined
      return { version: replica.version, shared: false }
    },
    load: async () => undefined,
    list: async () => undefined,
    state: () => 'unset',
    remove: async () => {},
    close: async () => {},
  }
}
