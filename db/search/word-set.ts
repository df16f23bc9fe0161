import type { SearchSession } from '../reads/session.ts'
import { sql } from '../reads/sql.ts'
import { fromBytes } from './entries.ts'
import { type IdRange, idSetOf, union, without } from './id-set.ts'
import type { KeptRows, KeptSet, RowState } from './set-cache.ts'

/** What a set takes that is not there yet. */
export interface Missing {
  /** Rows to be read. */
  rows: number
  read: () => Promise<KeptSet>
}

/** Rows read at a time: a millisecond, after which something else may run. */
const rowsAtATime = 100

/**
 * What the set of a word takes: the rows that were not there when `old` was made. A row holds all titles of a
 * range, from its first id to that of the next row, so the ranges of rows that went have none of the old ones.
 */
export async function missingOf(
  session: SearchSession,
  word: string,
  state: RowState,
  old: KeptSet | undefined,
): Promise<Missing> {
  const { rows: run, dialect } = session
  const rows = (await replacedRows(session, word, state, old)) ?? (await allRows(session, word))
  const { ids } = rows
  const known = new Set(old?.rows?.ids)
  const missing = ids.filter((id) => !known.has(id))
  const read = async () => {
    let set =
      old?.rows === undefined
        ? idSetOf([])
        : without(old.set, rangesThatWent(old.rows, new Set(ids)))
    for (let at = 0; at < missing.length; at += rowsAtATime) {
      const some = JSON.stringify([...missing.subarray(at, at + rowsAtATime)])
      const blocks = await run(
        sql`select a.entries from search_words as a where ${dialect.idIn(some)}`,
      )
      set = union([set, idSetOf(blocks.map(([bytes]) => fromBytes(bytes as Uint8Array)))])
    }
    return { ...state, rows, set }
  }
  return { rows: missing.length, read }
}

async function allRows({ rows: run }: SearchSession, word: string): Promise<KeptRows> {
  const rows = (await run(
    sql`select id, first_id from search_words where word = ${word} order by first_id`,
  )) as [number, number][]
  return {
    ids: Float64Array.from(rows, ([id]) => id),
    firsts: Float64Array.from(rows, ([, first]) => first),
  }
}

/**
 * The rows of a word if all that are new came for others, and none else went, as most writes have it. A word has one
 * row for each first id, so as many as came have gone; as there are as many as before, no more. Not of a snapshot
 * that is older than what is kept.
 */
async function replacedRows(
  { rows: run }: SearchSession,
  word: string,
  { count, last }: RowState,
  old: KeptSet | undefined,
): Promise<KeptRows | undefined> {
  if (old?.rows === undefined || old.count !== count || old.last > last) return undefined
  const { firsts } = old.rows
  const ids = old.rows.ids.slice()
  const added = await run(
    sql`select id, first_id from search_words where word = ${word} and id > ${old.last}`,
  )
  for (const [id, first] of added as [number, number][]) {
    const at = firsts.indexOf(first)
    if (at === -1) return undefined
    ids[at] = id
  }
  return { ids, firsts }
}

function rangesThatWent({ ids, firsts }: KeptRows, still: Set<number>): IdRange[] {
  const ranges: IdRange[] = []
  for (const [at, id] of ids.entries()) {
    if (!still.has(id)) ranges.push([firsts[at]!, firsts[at + 1] ?? Infinity])
  }
  return ranges
}
