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
import { concatenate, type WordBlocks } from './match.ts'
import type { RunSql } from './rows.ts'

/** A term, or the word that stands for it: all of that, not its beginning. */
export type Asked = Term & { exact?: boolean }

const isRun = ({ text, cjk }: Asked) => cjk && [...text].length > 1

/** A character of a run is whole in itself. */
const isWhole = ({ text, cjk }: Asked, word: string) => cjk || word === text

/** The words that a term matches. */
function matched({ text, exact }: Asked): Sql {
  return exact ? sql`word = ${text}` : sql`word >= ${text} and word < ${afterPrefix(text)}`
}

/** Loads the words that terms match; reads and counts each once. */
export function createLoader(run: RunSql) {
  const loaded = new Map<string, Promise<WordBlocks[]>>()
  const counts = new Map<string, Promise<number>>()
  const once = <T>(known: Map<string, Promise<T>>, asked: Asked, find: () => Promise<T>) => {
    const key = `${asked.exact ? '=' : '^'}${asked.text}`
    let found = known.get(key)
    if (found === undefined) {
      found = find()
      known.set(key, found)
    }
    return found
  }
  return {
    /** The blocks of a term's words. */
    load: (asked: Asked) =>
      once(loaded, asked, () => (isRun(asked) ? loadRun(run, asked.text) : loadWords(run, asked))),
    /** How many there are; 0: no title has it. */
    count: (asked: Asked) => once(counts, asked, () => countBlocks(run, asked)),
  }
}

export type Loader = ReturnType<typeof createLoader>

async function countBlocks(run: RunSql, asked: Asked): Promise<number> {
  const first = isRun(asked) ? { ...asked, text: pairsOf(asked.text)[0]!, exact: true } : asked
  const [row] = await run(sql`select count(*) from search_words where ${matched(first)}`)
  return Number(row![0])
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
  const span = pairs.length + 1
  const whole = matched!.map((value, at) => (at % entrySize === 0 ? value : withSpan(value, span)))
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
