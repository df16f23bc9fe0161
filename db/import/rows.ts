import type { Transform } from 'node:stream'
import { RowError } from './cells.ts'
import type { BatchRow, Cleaner } from './mapping.ts'

/** A row that was not taken. `line` is the line of the file on which it ends, from 1. */
export interface Reject {
  line: number
  /** The file's column at fault; empty when it is the row as a whole. */
  column: string
  reason: string
  value: string
}

/** What a parser does with what it reads. */
export interface RowHandlers {
  clean: Cleaner
  /** Rows of a batch. */
  size: number
  onRow: () => void
  reject: (rejected: Reject) => void
}

export interface BatchParser {
  /** Takes bytes or text, gives arrays of `size` rows. */
  readonly stream: Transform
  /** The rows, fewer than `size`, that are left when the stream has ended. */
  readonly rest: () => BatchRow[]
}

/** Longest record, in bytes. */
export const maxRecordSize = 1_048_576

/** Cleans records into batches; gives a batch when it is full. */
export function batches({ clean, size, onRow, reject }: RowHandlers) {
  let batch: BatchRow[] = []
  return {
    rest: () => batch,
    take(record: readonly string[], line: number): BatchRow[] | null {
      onRow()
      try {
        batch.push(clean(record, line))
      } catch (error) {
        if (!(error instanceof RowError)) throw error
        reject({ line, column: error.column, reason: error.message, value: error.value })
      }
      if (batch.length < size) return null
      const full = batch
      batch = []
      return full
    },
  }
}
