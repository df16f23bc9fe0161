import { join, type Sql, sql } from '../reads/sql.ts'
import { applyChange, type Block, fromBytes, toBytes, type WordChange } from './entries.ts'
import { bestOf } from './match.ts'
import type { RunSql } from './rows.ts'

/** Words, and rows, that a statement takes: SQL Server has room for 2100 parameters. */
const wordsAtATime = 1000
const rowsAtATime = 400

type StoredBlock = [id: number, word: string, first: number, entries: Uint8Array]

/** Brings changes into `search_words`. Two that run at once would lose one: the caller sees to that. */
export async function applyWordChanges(run: RunSql, changes: WordChange[]): Promise<void> {
  // In the order of the index, whose pages are then each met once.
  const sorted = changes.toSorted((a, b) => (a.word < b.word ? -1 : 1))
  for (let at = 0; at < sorted.length; at += wordsAtATime) {
    await applySome(run, sorted.slice(at, at + wordsAtATime))
  }
}

async function applySome(run: RunSql, changes: WordChange[]): Promise<void> {
  const rows = (await run(selectBlocks(changes))) as StoredBlock[]
  const stored = Map.groupBy(rows, ([, word]) => word)
  const dropped: number[] = []
  const made: { word: string; block: Block }[] = []
  const emptied: string[] = []
  for (const change of changes) {
    const blocks = (stored.get(change.word) ?? []).map(([id, , first, bytes]) => ({
      id,
      first,
      entries: fromBytes(bytes),
    }))
    const result = applyChange(blocks, change)
    dropped.push(...result.dropped.map(({ id }) => id!))
    made.push(...result.made.map((block) => ({ word: change.word, block })))
    if (result.made.some(({ entries }) => entries.length === 0)) emptied.push(change.word)
  }
  for (let at = 0; at < dropped.length; at += wordsAtATime) {
    const ids = list(dropped.slice(at, at + wordsAtATime))
    await run(sql`delete from search_words where id in (${ids})`)
  }
  for (let at = 0; at < made.length; at += rowsAtATime) {
    await run(insertBlocks(made.slice(at, at + rowsAtATime)))
  }
  if (emptied.length > 0) await run(deleteEmpty(emptied))
}

const list = (values: (string | number)[]): Sql =>
  join(
    values.map((value) => sql`${value}`),
    ', ',
  )

/** The blocks that the changes may touch: the one that has their least id, up to their greatest. */
function selectBlocks(changes: WordChange[]): Sql {
  let lowest = Infinity
  let highest = 0
  const touch = (id: number) => {
    lowest = Math.min(lowest, id)
    highest = Math.max(highest, id)
  }
  for (const { removed, added } of changes) {
    removed.forEach(touch)
    if (added.length > 0) [added[0]!, added.at(-2)!].forEach(touch)
  }
  return sql`
    select s.id, s.word, s.first_id, s.entries
    from (select word, max(first_id) as first_id from search_words
      where word in (${list(changes.map(({ word }) => word))}) and first_id <= ${lowest} group by word) f
    join search_words s on s.word = f.word and s.first_id >= f.first_id and s.first_id <= ${highest}
    order by s.word, s.first_id`
}

function insertBlocks(rows: { word: string; block: Block }[]): Sql {
  const values = rows.map(
    ({ word, block: { first, entries } }) =>
      sql`(${word}, ${mirror(word)}, ${first}, ${bestOf(entries)}, ${toBytes(entries)})`,
  )
  return sql`insert into search_words (word, mirrored, first_id, best, entries) values ${join(values, ', ')}`
}

/** A word backwards, by which words with the same end are found. */
export const mirror = (word: string): string => [...word].reverse().join('')

/** A word without a title goes, so that there is no end of them. */
const deleteEmpty = (words: string[]) => sql`
  delete from search_words where word in (${list(words)}) and first_id = 0 and entries = ${new Uint8Array()}
    and not exists (select 1 from search_words o where o.word = search_words.word and o.first_id > 0)`
