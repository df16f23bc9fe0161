import { pairsOf } from '../../catalogue/words.ts'
import type { SearchSession } from '../reads/session.ts'
import { every, join, raw, type Sql, sql } from '../reads/sql.ts'
import { type IdSet, idSetOf, union } from './id-set.ts'
import { type Asked, isRun, isWhole, loadTerm, loadWords, matched } from './load.ts'
import { blocksOf, type WordBlocks } from './match.ts'
import type { RowState } from './set-cache.ts'
import { missingOf } from './word-set.ts'

/** What the rows of a term's words are. */
type Rows =
  /** Those of one word. */
  | (RowState & { word: string })
  /** Of words of which sets are kept, and of others. */
  | { count: number; kept: Asked[]; others: Others }
  /** Of the pairs of a run, or none at all. */
  | { count: number }

/** Rows of all words that begin so but some, of which sets are kept. */
interface Others extends RowState {
  key: string
  load: () => Promise<WordBlocks[]>
  /** How many of them are full blocks. */
  full: number
}

/** What the set of a term takes: full blocks to be read, none if it is kept. */
interface Way {
  cost: number
  read: () => Promise<IdSet>
}

/** Sizes at which another way is the cheaper one; tests set them low. */
export interface LoaderBounds {
  /** So many blocks are read for a set without looking for another way: a millisecond. */
  cheapBlocks: number
  /** So many texts of titles are read in the time of a block. */
  textsInBlock: number
  /** So many titles are ranked by their texts. */
  fewTitles: number
  /** Rows of rare words beyond that are too many in any case, and are not counted. */
  manyRows: number
}

const defaultBounds: LoaderBounds = {
  cheapBlocks: 100,
  textsInBlock: 2,
  fewTitles: 500,
  manyRows: 4000,
}

/** So many blocks of rare words are read in the time of a full one. */
const rareInFull = 4

/** Loads what terms match; reads and counts each once. Sets are those of the cache, where it has them. */
export function createLoader(session: SearchSession, bounds = defaultBounds) {
  const { rows: run, dialect, setCache } = session
  const load = once(async (asked): Promise<WordBlocks[]> => {
    const found = await rows(asked)
    if (!('kept' in found)) return loadTerm(run, asked)
    const words = [await found.others.load()]
    for (const word of found.kept) {
      const whole = isWhole(asked, word.text)
      words.push((await load(word)).map(({ blocks }) => ({ whole, blocks })))
    }
    return words.flat()
  })

  const rows = once(async (asked): Promise<Rows> => {
    if (isRun(asked)) {
      const pairs = pairsOf(asked.text)
      if (pairs.length === 1) return rowsOfWord(pairs[0]!)
      const words = pairs.map((pair) => sql`${pair}`)
      return stateOf(sql`word in (${join(words, ', ')})`)
    }
    if (asked.exact) return rowsOfWord(asked.text)
    const range = matched(asked)
    const [ends] = await run(sql`select (select min(word) from search_words where ${range}) as a,
      (select max(word) from search_words where ${range}) as b`)
    const [first, last] = ends as [string | null, string | null]
    if (first === null) return { count: 0 }
    return first === last ? rowsOfWord(first) : rowsOfSeveral(asked, range)
  })

  async function stateOf(words: Sql): Promise<RowState> {
    const [row] = await run(
      sql`select count(*) as n, max(id) as last from search_words where ${words}`,
    )
    return { count: Number(row![0]), last: Number(row![1]) }
  }

  const rowsOfWord = async (word: string) => ({ ...(await stateOf(sql`word = ${word}`)), word })

  async function rowsOfSeveral(asked: Asked, range: Sql): Promise<Rows> {
    const words = setCache.words(asked.text)
    const where = every([range, ...words.map((word) => sql`word <> ${word}`)])
    // A block that is not the first of its word is a full one.
    const [row] =
      await run(sql`select count(*) as n, max(id) as last, count(nullif(first_id, 0)) as other from (
      select first_id, id from search_words where ${where} order by word ${raw(dialect.limit(bounds.manyRows))}) as x`)
    const [count, last, full] = row!.map(Number) as [number, number, number]
    const kept = words.map((text): Asked => ({ text, cjk: false, exact: true }))
    let all = count
    for (const word of kept) all += (await rows(word)).count
    const key = `^${asked.text} ${words.join(' ')}`
    let loaded: Promise<WordBlocks[]> | undefined
    const load = () => {
      loaded ??= loadWords(run, asked, where)
      return loaded
    }
    return { count: all, kept, others: { key, load, count, last, full } }
  }

  const way = once(async (asked): Promise<Way> => {
    const found = await rows(asked)
    if ('kept' in found) {
      const ways = [wayOfOthers(found.others)]
      for (const word of found.kept) ways.push(await way(word))
      const cost = ways.reduce((sum, each) => sum + each.cost, 0)
      const read = async () => {
        const sets: IdSet[] = []
        for (const each of ways) sets.push(await each.read())
        return union(sets)
      }
      return { cost, read }
    }
    if (!('word' in found) || !setCache.keeps(found.count)) {
      return { cost: found.count, read: async () => idSetOf(blocksOf(await load(asked))) }
    }
    const { word, ...state } = found
    const kept = setCache.get(word, found)
    if (kept !== undefined) return { cost: 0, read: async () => kept.set }
    const missing = await missingOf(session, word, state, setCache.old(word))
    const read = async () => {
      const made = await missing.read()
      setCache.put(word, made)
      return made.set
    }
    return { cost: missing.rows, read }
  })

  function wayOfOthers({ key, load, full, ...state }: Others): Way {
    // What was not counted to the end may change unseen.
    const keeps = setCache.keeps(state.count) && state.count < bounds.manyRows
    const kept = keeps ? setCache.get(key, state) : undefined
    if (kept !== undefined) return { cost: 0, read: async () => kept.set }
    const read = async () => {
      const set = idSetOf(blocksOf(await load()))
      if (keeps) setCache.put(key, { ...state, set })
      return set
    }
    return { cost: full + state.count / rareInFull, read }
  }

  return {
    session,
    bounds,
    /** The blocks of a term's words. */
    load,
    /** How many there are, about; 0: no title has it. */
    count: async (asked: Asked) => (await rows(asked)).count,
    /** Whether titles have no other word that begins so. */
    async isWord(asked: Asked) {
      const found = await rows(asked)
      return 'word' in found && found.word === asked.text
    },
    /** The titles that have a term. */
    set: once(async (asked) => {
      const found = await way(asked)
      const set = await found.read()
      found.cost = 0
      return set
    }),
    /** How many full blocks would be read for that now. */
    cost: async (asked: Asked) => (await way(asked)).cost,
    /** Notes that a search did without a set. */
    async want(asked: Asked) {
      const found = await rows(asked)
      if ('word' in found && setCache.keeps(found.count)) setCache.want(found.word)
    },
  }
}

export type Loader = ReturnType<typeof createLoader>

/** Finds something for each term once. */
function once<T>(find: (asked: Asked) => Promise<T>) {
  const known = new Map<string, Promise<T>>()
  return (asked: Asked) => {
    const key = `${asked.exact ? '=' : '^'}${asked.text}`
    let found = known.get(key)
    if (found === undefined) {
      found = find(asked)
      known.set(key, found)
    }
    return found
  }
}
