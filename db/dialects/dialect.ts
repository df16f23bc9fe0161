import type { Readable } from 'node:stream'
import type { ColumnDefinitionBuilder, Kysely, RawBuilder, Transaction } from 'kysely'
import type { FinishedRead, Read } from '../reads/read.ts'
import type { AnimeTable, Schema } from '../schema.ts'

/** A title as the table holds it, before it has an id. */
type NewRow = Omit<AnimeTable, 'id' | 'sort_title'> & { sort_title: string }

/** All that SQLite and SQL Server do differently. Every query is written once, over this. */
export interface Dialect {
  readonly name: 'sqlite' | 'mssql'
  /** Column types by intent, for the migrations. */
  readonly types: {
    /** The type of an auto-numbered primary key, and what makes it one. */
    readonly id: RawBuilder<unknown>
    readonly identity: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
    readonly integer: RawBuilder<unknown>
    /** 0.00 to 99.99 */
    readonly score: RawBuilder<unknown>
    /** Text compared byte for byte. */
    readonly code: (length: number) => RawBuilder<unknown>
    /** Text that people read: compared without regard to case. */
    readonly title: (length: number) => RawBuilder<unknown>
    readonly longText: RawBuilder<unknown>
    readonly bytes: RawBuilder<unknown>
    readonly timestamp: RawBuilder<unknown>
    readonly now: RawBuilder<unknown>
  }
  /** Gives `columns` of one title as last committed, and locks it until the transaction ends. */
  readonly lockAnime: (columns: readonly string[], id: number) => RawBuilder<unknown>
  /** What a database needs before its migrations, and outside of their transaction. */
  readonly prepare: (db: Kysely<Schema>) => Promise<void>
  /** Waits until no other process changes the schema, and keeps it so until the transaction ends. */
  readonly lockSchema: (trx: Transaction<Schema>) => Promise<void>
  /** Keeps other writers of the words of titles waiting until the transaction ends. */
  readonly lockWords: (trx: Kysely<Schema>) => Promise<void>
  /** Inserts one title and gives its id. */
  readonly insertAnime: (trx: Transaction<Schema>, values: NewRow) => Promise<number>
}

/** An open database. SQLite reads and writes on two connections; SQL Server shares one pool. */
export interface Database {
  readonly dialect: Dialect
  readonly reader: Kysely<Schema>
  readonly writer: Kysely<Schema>
  /**
   * Reads the catalogue and renders the answer, off the event loop or in slices that give it back. It sees
   * every commit that was answered before the call. Undefined: there is no such title.
   * @throws TooManyReads when as many wait as may, DatabaseUnavailable when the database is away
   */
  readonly read: (
    read: Read,
    options?: { signal?: AbortSignal | undefined },
  ) => Promise<ReadAnswer | undefined>
  /**
   * Asks whether `read` would take one more, without one.
   * @throws TooManyReads when as many wait as may
   */
  readonly admit: () => void
  /**
   * A number that moves with every commit by another process, where the database tells one
   * (SQLite's `PRAGMA data_version`); costs about two microseconds.
   */
  readonly foreignVersion?: () => number
  /** Whether the last connection that was tried could be had, where there is a server to reach. */
  readonly reachable?: () => boolean
  /**
   * Resolves when a connection works, rejects with the reason when that is not to be expected any
   * more. Sends no query.
   */
  readonly connect: (options?: ConnectOptions) => Promise<void>
  readonly close: () => Promise<void>
}

/** A finished answer, or one that is too large to be held. */
export type ReadAnswer = FinishedRead | { stream: Readable }

export interface ConnectOptions {
  /** Called now and then for an attempt that failed and is followed by others. */
  onRetry?: (error: Error) => void
  /** Ends the attempts. */
  signal?: AbortSignal
  /** Milliseconds for all attempts. */
  budget?: number
}

/** The database cannot be used now; a request that needs it is answered with 503. */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable'
}

/** The connection was lost while a write was being committed: it has happened, or it has not. */
export class OutcomeUnknown extends DatabaseUnavailable {
  override name = 'OutcomeUnknown'
}

/** As many reads wait as may. The request is answered with 503 and can be repeated soon. */
export class TooManyReads extends Error {
  override name = 'TooManyReads'
}
