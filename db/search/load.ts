import { afterPrefix, pairsOf, type Term } from '../../catalogue/words.ts'
import { type Sql, sql } from '../reads/sql.ts'
import {
  createWordChanges,
  entrySize,
  fromBytes,
  positionIn,
  type WordChange,
  withSpan,
} from './entries.ts'
import { blocksOf, concatenate, type WordBlocks } from './match.ts'
import type { RunSql } from './rows.ts'

/** A term, or the word that stands for it: all of that, not its beginning. */
export type Asked = Term & { exact?: boolean }

/** The words of a term that are all of it. A run of CJK has no others. */
export const wholeOf = (term: Term): Asked => (term.cjk ? term : { ...term, exact: true })

export const isRun = ({ text, cjk }: Asked) => cjk && [...text].length > 1

/** A character of a run is whole in itself. */
export const isWhole = ({ text, cjk }: Asked, word: string) => cjk || word === text

/** The words that a term matches. */
export function matched({ text, exact }: Asked): Sql {
  return exact ? sql`word = ${text}` : sql`word >= ${text} and word < ${afterPrefix(text)}`
}

/** The blocks of a term's words. */
export const loadTerm = (run: RunSql, asked: Asked): Promise<WordBlocks[]> =>
  isRun(asked) ? loadRun(run, asked.text) : loadWords(run, asked, matched(asked))

/** The blocks of those words of a term that `where` says. */
export async function loadWords(run: RunSql, asked: Asked, where: Sql): Promise<WordBlocks[]> {
  const rows = await run(
    sql`select word, entries from search_words where ${where} order by word, first_id`,
  )
  const words: WordBlocks[] = []
  let last: string | undefined
  for (const [word, bytes] of rows as [string, Uint8Array][]) {
    if (word !== last) words.push({ whole: isWhole(asked, word), blocks: [] })
    words.at(-1)!.blocks.push(fromBytes(bytes))
    last = word
  }
  return words
}

/** The titles that have a run of characters, found by its pairs one after the other. */
async function loadRun(run: RunSql, text: string): Promise<WordBlocks[]> {
  return followed(text, async (pair) => {
    const term = { text: pair, cjk: true, exact: true }
    return concatenate(blocksOf(await loadWords(run, term, matched(term))), Int32Array)
  })
}

async function followed(
  text: string,
  entriesOf: (pair: string) => Promise<Int32Array>,
): Promise<WordBlocks[]> {
  const pairs = pairsOf(text)
  let matched: Int32Array | undefined
  for (const [at, pair] of pairs.entries()) {
    const entries = await entriesOf(pair)
    matched = matched === undefined ? entries : followedBy(matched, entries, at)
    if (matched.length === 0) return []
  }
  const whole = matched!.slice()
  for (let at = 1; at < whole.length; at += entrySize) {
    whole[at] = withSpan(whole[at]!, pairs.length + 1)
  }
  return [{ whole: true, blocks: [whole] }]
}

/** The entries of `matched` with one of `next` in the same title, `distance` positions on. */
function followedBy(matched: Int32Array, next: Int32Array, distance: number): Int32Array {
  const kept: number[] = []
  let to = 0
  for (let at = 0; at < matched.length; at += entrySize) {
    const [id, place] = [matched[at]!, matched[at + 1]!]
    const position = positionIn(place) + distance
    while (to < next.length && next[to]! < id) to += entrySize
    // A character may stand in a title several times; entries of a title are in order.
    for (let same = to; same < next.length && next[same] === id; same += entrySize) {
      if (positionIn(next[same + 1]!) === position) kept.push(id, place)
    }
  }
  return Int32Array.from(kept)
}

/** Loads terms from some titles `a`, in the place of the blocks of all titles. */
export async function createLoaderOf(run: RunSql, titles: Sql) {
  const rows = await run(sql`select a.id, a.title, a.score from ${titles} order by a.id`)
  const changes = createWordChanges()
  for (const [id, title, score] of rows as [number, string, number | null][]) {
    changes.add(id, title, score)
  }
  const words: WordChange[] = changes.take()
  return async (asked: Asked): Promise<WordBlocks[]> => {
    if (isRun(asked)) {
      const none = new Int32Array()
      return followed(
        asked.text,
        async (pair) => words.find(({ word }) => word === pair)?.added ?? none,
      )
    }
    return words
      .filter(({ word }) => (asked.exact ? word === asked.text : word.startsWith(asked.text)))
      .map(({ word, added }) => ({ whole: isWhole(asked, word), blocks: [added] }))
  }
}
