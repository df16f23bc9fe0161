import type { AnimeFilters, AnimeRow } from '../../db/animes.ts'

/** An answer's name in the cache, and the dimensions a row must match to be part of it. */
export interface CacheKey {
  readonly key: string
  readonly dimensions: readonly string[]
}

/** The tags of one state of one row: of everything that this state of the row can be part of. */
export type Image = string[]

/** The image of a change that may have touched every row. */
export const everything = '*'

/**
 * What a write changed: its row images, or everything. A key is no change of a row: its answer is to go,
 * and may be made again.
 */
export type Change = Image[] | typeof everything | { key: string }

/**
 * Rule 1. The key of a query whose defaults have been dropped: `animes:limit=20&sort=-score&type=TV`,
 * parameters sorted, repeated values sorted and without repeats, `animes:all` for none.
 */
export function canonicalKey(resource: string, query: Record<string, unknown>): string {
  const parts: string[] = []
  for (const name of Object.keys(query).sort()) {
    const value = query[name]
    if (value === undefined) continue
    const values = Array.isArray(value) ? [...new Set(value)].sort() : [value]
    for (const each of values) parts.push(`${name}=${encodeURIComponent(String(each))}`)
  }
  return `${resource}:${parts.join('&') || 'all'}`
}

/** A tag: a column and one value of it, free of spaces and commas. */
const tag = (column: string, value: string | number) => `${column}:${encodeURIComponent(value)}`

/**
 * Rule 2. The dimensions of a list: its equality filters, or `all` where it has none. Ranges, search,
 * sort and paging only narrow; they carry no tag.
 */
export function dimensionsOf({ type, genre = [], year }: AnimeFilters): string[] {
  const dimensions = [...new Set(genre)].map((name) => tag('genre', name))
  if (type !== undefined) dimensions.push(tag('type', type))
  if (year !== undefined) dimensions.push(tag('year', year))
  return dimensions.length > 0 ? dimensions.sort() : ['all']
}

/**
 * Rule 2. The tags of a row: a list can hold the row only if each of the list's dimensions is among
 * them.
 */
export function imageOf({ id, type, year, genres }: AnimeRow): Image {
  const tags = (JSON.parse(genres) as string[]).map((name) => tag('genre', name))
  tags.push('all', tag('id', id), tag('type', type))
  if (year !== null) tags.push(tag('year', year))
  return [...new Set(tags)].sort()
}

/** Rule 2. Whether a change makes an answer wrong: a row image of it matches every dimension. */
export function touches(change: Change, { key, dimensions }: CacheKey): boolean {
  if (change === everything) return true
  if ('key' in change) return change.key === key
  return change.some((image) => dimensions.every((dimension) => image.includes(dimension)))
}
