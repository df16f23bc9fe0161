import type { StagedRow } from '../../catalogue/columns.ts'
import type { CellRules } from './cells.ts'

export type StagedName = keyof StagedRow
export type Positions = Partial<Record<StagedName, number[]>>

/** The columns that identify a title where a row has no `source_id`. */
export const naturalKey = ['title', 'type', 'year'] as const
export type NaturalColumn = (typeof naturalKey)[number]

/** The columns of a file, and which of ours they are. */
export interface FileColumns {
  header: readonly string[]
  /** Where a row's value stands; of several, the first that says something, or of a list all. */
  positions: Positions
  /** Those of `naturalKey` that identify a title in this file. */
  natural: NaturalColumn[]
  /** Where an export of this service has the id of a title. */
  exportedAt?: number
  rules: CellRules
  /** What is to be said of it, a line each. */
  notes: string[]
}

export interface ColumnOptions extends CellRules {
  /** Ours -> the file's, as `--map` gives them. */
  map?: readonly (readonly [ours: string, theirs: string])[]
  /** The columns of the file that identify a title. */
  key?: readonly string[]
  /** Whether they are the names of JSON objects. */
  isJson?: boolean
}

export const listed = (names: readonly string[]): string =>
  names
    .slice(0, 40)
    .map((name) => JSON.stringify(name.trim().slice(0, 40)))
    .join(', ') || 'none'

/** A column of ours as `--map` names it. */
export const ourName = (name: StagedName) => (name === 'source_id' ? 'id' : name)

/** What stands between the columns of the file that are one of ours. */
export const between = (name: StagedName) => (name === 'genres' ? ' and ' : ' or ')
