import type { pack } from './entry.ts'
import type { JournalEntry, Version } from './replica.ts'
import type { CacheKey, Change } from './tags.ts'

/** A write under way. Until it is finished, no answer from before the mark that it touches is served, and
 * none is stored. */
export interface Mark {
  id: string
  change: Change
  /** The journal has it. False: Redis was out of reach, and the mark protects nothing. */
  placed: boolean
  /** `Runtime.now` when the mark was asked for: its lease ends no earlier than counted from then. */
  since: number
}

/** What a listing of the cache says of an answer. */
export interface EntryInfo {
  key: string
  tags: string[]
  bytes: number
  /** Seconds since it was made. */
  age: number
  /** Seconds that it may still be kept. */
  ttl: number
}

/**
 * The journal of writes, as one instance uses it. `local-journal.ts` keeps it in the process,
 * `redis-journal.ts` shares it between instances.
 */
export interface Journal {
  /**
   * Rule 4. Brings the replica up to a moment after this call, and then returns what `then` returns. With
   * `current` false the replica could not be brought up to date (rule 8). Synchronous where nothing has to
   * be asked; else `then` is called among those of other requests, see `enqueue`.
   */
  sync: <T>(then: (current: boolean) => T) => T | Promise<T>
  /**
   * Rule 6. Opens a change: answers it touches are dead, and none is stored until the mark is finished
   * or its lease ends. Not `placed`: Redis is out of reach, and the write relies on the outbox.
   */
  mark: (change: Change) => Promise<Mark>
  /** Rule 6. Whether a mark still stands, asked last before the commit; undefined: it cannot be told. */
  isMarked: (mark: Mark) => Promise<boolean | undefined>
  /** Rule 6. Ends a change after its commit or rollback. False: not done; the relay will do it. */
  finish: (change: Change, mark: string | null) => Promise<boolean>
  /** Rule 6. Ends a change found in the outbox, unless `sync` has seen it by itself. False: not done. */
  apply: (change: Change, mark: string | null) => Promise<boolean>
  /**
   * Rule 3. Whether the answer of a fill may be stored: the version it is valid at, or undefined. A
   * shared tier keeps what `packed` gives, unless it is too large.
   */
  store: (fill: Fill, packed: () => Promise<Packed>, ttl: number) => Promise<Approval | undefined>
  /** The shared copy of an answer, and the version it is valid at. */
  load: (key: string) => Promise<Loaded | undefined>
  /** The shared copies, at most `limit`; undefined where there is no shared tier or it is away. */
  list: (limit: number) => Promise<Omit<EntryInfo, 'age'>[] | undefined>
  /** `unset`: there is no Redis. */
  state: () => 'ok' | 'unavailable' | 'unset'
  remove: (key: string) => Promise<void>
  close: () => Promise<void>
}

/** A query about to be sent for a key, and the version noted before it (rule 3). */
export interface Fill extends CacheKey {
  version: Version
  /** The version could not be checked: the answer is not to be stored. */
  bypass: boolean
}

type Packed = Awaited<ReturnType<typeof pack>>

/** The version at which an answer may be stored, and whether the shared tier has it now. */
interface Approval {
  version: Version
  shared: boolean
}

interface Loaded {
  meta: string
  bytes: Buffer
  version: Version
  /** Milliseconds that it may still be served. */
  ttl: number
}

/** What a journal reports to the instance's own copies. */
export interface JournalEvents {
  onEntry: (entry: JournalEntry) => void
  onReset: (version: Version) => void
}
