import { afterPrefix, pairsOf, type Term } from '../../catalogue/words.ts'
import { join, type Sql, sql } from '../reads/sql.ts'
import {
  createWordChanges,
  entrySize,
  fromBytes,
  positionIn,
  type WordChange,
  withSpan,
} from './entries.ts'
import { idSetOf } from './id-set.ts'
import { concatenate, type WordBlocks } from './match.ts'
import type { RunSql } from './rows.ts'
import type { RowState, SetCache } from './set-cache.ts'

/** A term, or the word that stands for it: all of that, not its beginning. */
export type Asked = Term & { exact?: boolean }

/** The words of a term that are all of it. A run of CJK has no others. */
export const wholeOf = (term: Term): Asked => (term.cjk ? term : { ...term, exact: true })

const isRun = ({ text, cjk }: Asked) => cjk && [...text].length > 1

/** A character of a run is whole in itself. */
const isWhole = ({ text, cjk }: Asked, word: string) => cjk || word === text

/** The words that a term matches. */
function matched({ text, exact }: Asked): Sql {
  return exact ? sql`word = ${text}` : sql`word >= ${text} and word < ${afterPrefix(text)}`
}

/** `word`: that of all rows, when it is one. */
type Rows = RowState & { word: string | undefined }

/** Loads the words that terms match; reads and counts each once. Sets are those of `cache`, where it has them. */
export function createLoader(run: RunSql, cache: SetCache) {
  const once = <T>(find: (asked: Asked) => Promise<T>) => {
    const known = new Map<string, Promise<T>>()
    return (asked: Asked) => {
      const key = keyOf(asked)
      let found = known.get(key)
      if (found === undefined) {
        found = find(asked)
        known.set(key, found)
      }
      return found
    }
  }
  const load = once((asked) => (isRun(asked) ? loadRun(run, asked.text) : loadWords(run, asked)))
  const rows = once((asked) => findRows(run, asked))
  const set = once(async (asked) => {
    const { word, ...state } = await rows(asked)
    const key =
      word === undefined || isRun(asked) ? keyOf(asked) : keyOf({ text: word, exact: true })
    const kept = cache.get(key, state)
    if (kept !== undefined) return kept
    const made = idSetOf((await load(asked)).flatMap(({ blocks }) => blocks))
    cache.put(key, state, made)
    return made
  })
  return {
    /** The blocks of a term's words. */
    load,
    /** How many there are; 0: no title has it. */
    count: async (asked: Asked) => (await rows(asked)).count,
    /** The titles that have it. */
    set,
    keepsSets: cache.keeps,
  }
}

const keyOf = ({ text, exact }: Pick<Asked, 'text' | 'exact'>) => `${exact ? '=' : '^'}${text}`

export type Loader = ReturnType<typeof createLoader>

/** The rows that a term's words have; of a run, those of its pairs. */
async function findRows(run: RunSql, asked: Asked): Promise<Rows> {
  const words = isRun(asked)
    ? sql`word in (${join(
        pairsOf(asked.text).map((pair) => sql`${pair}`),
        ', ',
      )})`
    : matched(asked)
  const [row] = await run(sql`select count(*) as n, max(id) as last, min(word) as first_word,
    max(word) as last_word from search_words where ${words}`)
  const [count, last, first, other] = row!
  return {
    count: Number(count),
    last: Number(last),
    word: first !== null && first === other ? String(first) : undefined,
  }
}

async function loadWords(run: RunSql, asked: Asked): Promise<WordBlocks[]> {
  const rows = await run(
    sql`select word, entries from search_words where ${matched(asked)} order by word, first_id`,
  )
  const words = new Map<string, WordBlocks>()
  for (const [word, bytes] of rows as [string, Uint8Array][]) {
    let blocks = words.get(word)
    if (blocks === undefined) {
      blocks = { whole: isWhole(asked, word), blocks: [] }
      words.set(word, blocks)
    }
    blocks.blocks.push(fromBytes(bytes))
  }
  return [...words.values()]
}

/** The titles that have a run of characters, found by its pairs one after the other. */
async function loadRun(run: RunSql, text: string): Promise<WordBlocks[]> {
  return followed(text, async (pair) => {
    const words = await loadWords(run, { text: pair, cjk: true, exact: true })
    return concatenate(
      words.flatMap(({ blocks }) => blocks),
      Int32Array,
    )
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
