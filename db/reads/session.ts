import type { AnimeColumn } from '../../catalogue/columns.ts'
import type { SetCache } from '../search/set-cache.ts'
import type { Sql, Value } from './sql.ts'

/** What reads write differently for SQLite and SQL Server. */
export interface ReadDialect {
  readonly placeholder: (position: number) => string
  /** The first `count` rows of an ordered query, or those after some. */
  readonly limit: (count: number, after?: number) => string
  /** After a table's name: read it by this index, or by its key. SQL Server decides by statistics. */
  readonly by: (index: string | undefined) => string
  /** Whether an id is among those of a JSON array. */
  readonly idIn: (ids: string) => Sql
  /** Whether a text has another in it. */
  readonly contains: (text: Sql, part: string) => Sql
  /** Each value of a column that leads an index, with the number of its rows. */
  readonly countsBy: (table: 'animes' | 'anime_genres', column: string) => Sql
  /** The numbers of a group, with commas between. */
  readonly list: (column: string) => Sql
  /** Whether another statement may run while the rows of one are read. */
  readonly interleaves: boolean
  /**
   * The rows of an ordered statement with a limit as the API's JSON, where the database renders it: one row with
   * their bytes, a comma before them where `follows`, their number, their least and their greatest id.
   */
  readonly rendered?: (rows: Sql, columns: readonly AnimeColumn[], follows: boolean) => Sql
}

/** Sizes at which another way to read is the better one; tests set them low. */
export interface ReadBounds {
  /** Bytes of JSON above which a list is streamed. */
  streamAbove: number
  /**
   * So many matching titles are sorted at most. Of more, an index in the wanted order is followed until
   * enough of them have been met.
   */
  few: number
  /** So many titles the database sorts by several columns itself. */
  small: number
}

export const defaultBounds: ReadBounds = { streamAbove: 16_777_216, few: 6000, small: 50_000 }

/** Rows come as arrays, in the order of the selected columns. */
export type Row = Value[]

/** The statement of the first rows, or of those after the rows before; undefined when there are no more. */
export type Following = (before: Row[] | undefined) => Sql | undefined

/**
 * A connection whose statements all see one moment. In a thread SQLite's answers are there at once, SQL
 * Server's come over the network.
 */
export interface ReadSession {
  readonly bounds: ReadBounds
  readonly dialect: ReadDialect
  /** Sets of titles by word, which other reads of the same database have made. */
  readonly setCache: SetCache
  readonly rows: (statement: Sql) => Row[] | Promise<Row[]>
  /**
   * The rows in batches, as they are asked for. Where `following` gives the same rows, SQLite is asked for each
   * batch anew: to step through one statement takes half as long again.
   */
  readonly batches: (
    statement: Sql,
    following?: Following,
  ) => Iterable<Row[]> | AsyncIterable<Row[]>
}

/** What searches need of a session. */
export type SearchSession = Pick<ReadSession, 'rows' | 'dialect' | 'setCache'>

/** Rows of a batch: some 64 KiB of JSON, a millisecond of work. */
export const batchSize = 500
