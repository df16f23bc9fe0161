import { isInSortTitle, maxSortTitle } from '../../catalogue/words.ts'
import type { ReadDialect, SearchSession } from '../reads/session.ts'
import { type Sql, sql } from '../reads/sql.ts'
import { type IdSet, idSetOf, idsIn, intersection, setOfIds, union } from './id-set.ts'
import { type Asked, createLoaderOf } from './load.ts'
import type { Loader } from './loader.ts'
import { blocksOf } from './match.ts'

/** Terms by the number of their blocks, the least first. */
export async function rarestFirst(asked: Asked[], { count }: Loader) {
  const counted: { term: Asked; blocks: number }[] = []
  for (const term of asked) counted.push({ term, blocks: await count(term) })
  return counted.sort((a, b) => a.blocks - b.blocks)
}

interface SomeNarrowed {
  /** Undefined: all titles. */
  set: IdSet | undefined
  /** Terms that would take many blocks, and how many; the titles may have them or not. */
  rest: Asked[]
  cost: number
}

const nothing = { rest: [], cost: 0 }

/** The titles that have all of some terms, as far as that takes few blocks or few titles. */
export async function narrowed(asked: Asked[], loader: Loader): Promise<SomeNarrowed> {
  const rest: Asked[] = []
  let left: IdSet | undefined
  let cost = 0
  for (const { term, blocks } of await rarestFirst(asked, loader)) {
    if (blocks === 0) return { set: idSetOf([]), ...nothing }
    const more = await loader.cost(term)
    if (more > loader.bounds.cheapBlocks) {
      rest.push(term)
      cost += more
      continue
    }
    left = both(left, await loader.set(term))
    if (left.size === 0) return { set: left, ...nothing }
  }
  if (left === undefined || left.size > cost * loader.bounds.textsInBlock)
    return { set: left, rest, cost }
  return { set: await having(loader.session, idsIn(left), rest), ...nothing }
}

/** The titles that have all of some terms. */
export async function titlesWithAll(asked: Asked[], loader: Loader): Promise<IdSet> {
  for (;;) {
    const { set, rest } = await narrowed(asked, loader)
    if (rest.length === 0) return set!
    // It costs nothing from now on, and the others may not be needed.
    await loader.set(rest[0]!)
  }
}

const both = (a: IdSet | undefined, b: IdSet) => (a === undefined ? b : intersection(a, b))

/** Those of some titles that have terms, which their texts say. */
export async function having(
  { rows: run, dialect }: SearchSession,
  ids: ArrayLike<number>,
  asked: Asked[],
): Promise<IdSet> {
  const titles = await run(sql`select a.id, a.sort_title from ${titlesOf(dialect, ids)}`)
  const clear: number[] = []
  const unclear: number[] = []
  for (const [id, text] of titles as [number, string][]) {
    const has = asked.map((term) => hasTerm(text, term))
    if (has.includes(false)) continue
    if (has.includes(undefined)) unclear.push(id)
    else clear.push(id)
  }
  let others = setOfIds(unclear)
  if (unclear.length > 0) {
    const load = await createLoaderOf(run, titlesOf(dialect, unclear))
    for (const term of asked) others = intersection(others, idSetOf(blocksOf(await load(term))))
  }
  return union([setOfIds(clear), others])
}

/** Whether a title has a term, as its normal form says; undefined: that does not tell. */
function hasTerm(sortTitle: string, { text, cjk, exact }: Asked): boolean | undefined {
  if (sortTitle.length > maxSortTitle - 10 || !isInSortTitle(text)) return undefined
  if (cjk) return sortTitle.replaceAll(' ', '').includes(text) ? undefined : false
  if (` ${sortTitle} `.includes(exact ? ` ${text} ` : ` ${text}`)) return true
  return mayBeJoined(sortTitle, text) ? undefined : false
}

/** Whether a text begins with some word, without the blanks after it. */
function mayBeJoined(sortTitle: string, text: string): boolean {
  for (let start = 0; ; ) {
    let matched = 0
    for (let at = start; matched < text.length && at < sortTitle.length; at += 1) {
      if (sortTitle[at] === ' ') continue
      if (sortTitle[at] !== text[matched]) break
      matched += 1
    }
    if (matched === text.length) return true
    start = sortTitle.indexOf(' ', start) + 1
    if (start === 0) return false
  }
}

/** The titles `a` of some ids. */
export const titlesOf = (dialect: ReadDialect, ids: ArrayLike<number>): Sql =>
  sql`animes as a where ${dialect.idIn(JSON.stringify(Array.from(ids)))}`
