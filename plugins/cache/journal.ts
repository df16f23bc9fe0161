import { randomBytes } from 'node:crypto'
import { type Change, everything, touches } from './keys.ts'
import type { JournalEntry, Replica, Version } from './replica.ts'

/** A write that has begun: until it is finished, what it touches is neither served nor stored. */
export interface Mark {
  id: string
  change: Change
  /** `performance.now()` when the mark was asked for: its lease ends no earlier than counted so. */
  since: number
}

/** What an answer is stored with. */
export interface StoredMeta {
  key: string
  dimensions: string[]
  etag: string
  headers: string[]
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
   * Rule 4. Brings the replica up to a moment after this call. `false`: it cannot be told now (rule
   * 8). Answers at once where nothing has to be asked.
   */
  catchUp: () => boolean | Promise<boolean>
  /**
   * Rule 6. Opens a change: entries it touches are dead, and none is stored until the mark is finished
   * or its lease runs out. Undefined: the journal is out of reach, the outbox has to do.
   */
  mark: (change: Change) => Promise<Mark | undefined>
  /** Rule 6. Whether a mark still stands; asked last thing before the commit. */
  holds: (mark: Mark) => Promise<boolean>
  /** Rule 6. Ends a change after its commit or rollback. `false`: not done, the outbox has to do. */
  finish: (change: Change, mark: string | null) => Promise<boolean>
  /** Rule 3. Whether an answer read at `version` may be stored, and as of which version it stands. */
  store: (meta: StoredMeta, body: Buffer, version: Version) => Promise<Version | undefined>
  /** The shared copy of an answer, with the version as of which it stands. */
  load: (key: string) => Promise<LoadedAnswer | undefined>
  /** The shared copies, at most `limit`; undefined where there is no shared tier or it is away. */
  list: (limit: number) => Promise<Listed[] | undefined>
  remove: (key: string, dimensions: string[]) => Promise<boolean>
  close: () => Promise<void>
}

export interface LoadedAnswer extends StoredMeta {
  body: Buffer
  version: Version
  /** Milliseconds it may still be served, and milliseconds since it was made. */
  ttl: number
  age: number
}

/** What a journal tells the instance's own copies. */
export interface JournalEvents {
  onEntry: (entry: JournalEntry) => void
  onReset: (version: Version) => void
}

const token = () => randomBytes(8).toString('base64url')

/**
 * Rule 9. The journal of a process that shares its cache with nobody. Commits by other processes are
 * seen by `foreignVersion`; what they changed is not known, so that everything goes.
 */
export function createLocalJournal(
  replica: Replica,
  { onEntry, onReset }: JournalEvents,
  foreignVersion: () => number = () => 0,
): Journal {
  const marks = new Map<string, Change>()
  let foreign = foreignVersion()
  onReset({ epoch: token(), position: 0, token: '' })

  const append = (change: Change) =>
    onEntry({ position: replica.version.position + 1, token: token(), change })

  const catchUp = () => {
    const seen = foreignVersion()
    if (seen !== foreign) {
      foreign = seen
      append(everything)
    }
    return true
  }

  return {
    catchUp,
    mark: async (change) => {
      const mark = { id: token(), change, since: performance.now() }
      marks.set(mark.id, change)
      append(change)
      return mark
    },
    holds: async ({ id }) => marks.has(id),
    finish: async (change, mark) => {
      append(change)
      if (mark !== null) marks.delete(mark)
      return true
    },
    store: async ({ dimensions }, _body, version) => {
      catchUp()
      const closed = marks.values().some((change) => touches(change, dimensions))
      if (closed || !replica.unchangedSince(version, dimensions)) return undefined
      return replica.version
    },
    load: async () => undefined,
    list: async () => undefined,
    remove: async () => true,
    close: async () => {},
  }
}
