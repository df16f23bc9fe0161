import { type Sql, sql, type Value } from '../reads/sql.ts'
import {
  applyChange,
  type Block,
  entrySize,
  fromBytes,
  toBytes,
  type WordChange,
} from './entries.ts'
import type { RunSql } from './rows.ts'

/** Words, and rows, that a statement takes: SQL Server has room for 2100 parameters. */
const wordsAtATime = 1000
const rowsAtATime = 400

type StoredBlock = [id: number, word: string, first: number, entries: Uint8Array]

/**
 * Brings changes into `search_words`. Two that run at once would lose one: the caller sees to that. Rows come and
 * go but never change, and a new one has a greater id than any before: set-cache.ts counts on it.
 */
export async function applyWordChanges(run: RunSql, changes: WordChange[]): Promise<void> {
  const sorted = inOrder(changes)
  for (let at = 0; at < sorted.length; at += wordsAtATime) {
    await applySome(run, sorted.slice(at, at + wordsAtATime))
  }
}

/** In the order of the index, whose pages are then each met once. */
export const inOrder = (changes: WordChange[]): WordChange[] =>
  changes.toSorted((a, b) => (a.word < b.word ? -1 : 1))

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

/** Parameters with commas between. */
const list = (values: Value[]): Sql => ({
  texts: ['', ...Array(values.length - 1).fill(', '), ''],
  values,
})

/** The blocks that the changes may touch: the one that has their least id, up to their greatest. */
function selectBlocks(changes: WordChange[]): Sql {
  let lowest = Infinity
  let highest = 0
  for (const { removed, added } of changes) {
    for (const id of removed) {
      lowest = Math.min(lowest, id)
      highest = Math.max(highest, id)
    }
    if (added.length === 0) continue
    lowest = Math.min(lowest, added[0]!)
    highest = Math.max(highest, added[added.length - entrySize]!)
  }
  // Each word has a block that begins at 0. SQLite takes the tables of a cross join in their order.
  return sql`
    select s.id, s.word, s.first_id, s.entries from search_words f cross join search_words s
    where f.word in (${list(changes.map(({ word }) => word))}) and f.first_id = 0
      and s.word = f.word and s.first_id <= ${highest} and s.first_id >= (
        select max(m.first_id) from search_words m where m.word = f.word and m.first_id <= ${lowest})
    order by s.word, s.first_id`
}

function insertBlocks(rows: { word: string; block: Block }[]): Sql {
  const texts = ['insert into search_words (word, mirrored, first_id, entries) values (']
  const values: Value[] = []
  for (const { word, block } of rows) {
    const { first, entries } = block
    values.push(word, mirror(word), first, toBytes(entries))
    texts.push(', ', ', ', ', ', '), (')
  }
  texts[texts.length - 1] = ')'
  return { texts, values }
}

/** A word backwards, by which words with the same end are found. */
export const mirror = (word: string): string => [...word].reverse().join('')

/** A word without a title goes, so that there is no end of them. */
const deleteEmpty = (words: string[]) => sql`
  delete from search_words where word in (${list(words)}) and first_id = 0 and entries = ${new Uint8Array()}
    and not exists (select 1 from search_words o where o.word = search_words.word and o.first_id > 0)`
