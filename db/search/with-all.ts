import { raw, type Sql, sql } from '../reads/sql.ts'
import { type IdSet, idSetOf, idsIn, intersection } from './id-set.ts'
import { type Asked, createLoaderOf, type Loader } from './load.ts'
import { blocksOf } from './match.ts'
import type { RunSql } from './rows.ts'

/** So many titles are looked at themselves, and so many blocks are not worth that. */
export const fewTitles = 500
const fewBlocks = 20

/** Terms by the number of their blocks, the least first. */
export async function rarestFirst(asked: Asked[], { count }: Loader) {
  const counted: { term: Asked; blocks: number }[] = []
  for (const term of asked) counted.push({ term, blocks: await count(term) })
  return counted.sort((a, b) => a.blocks - b.blocks)
}

/**
 * The titles that have all of some terms. Where no sets are kept, and few titles are left, these are read
 * instead of the blocks of a frequent word.
 */
export async function titlesWithAll(run: RunSql, asked: Asked[], loader: Loader): Promise<IdSet> {
  let left: IdSet | undefined
  let { set } = loader
  for (const { term, blocks } of await rarestFirst(asked, loader)) {
    if (blocks === 0) return idSetOf([])
    const isFew = left !== undefined && left.size <= fewTitles
    if (isFew && blocks > fewBlocks && !loader.keepsSets && set === loader.set) {
      const load = await createLoaderOf(run, titlesIn(left!))
      set = async (other) => idSetOf(blocksOf(await load(other)))
    }
    const titles = await set(term)
    left = left === undefined ? titles : intersection(left, titles)
    if (left.size === 0) break
  }
  return left!
}

/** The titles `a` of a set. */
export const titlesIn = (set: IdSet): Sql =>
  sql`animes as a where a.id in (${raw(idsIn(set).join(', '))})`
