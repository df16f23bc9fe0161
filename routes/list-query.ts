import type { Static } from 'typebox'
import {
  type AnimeColumn,
  animeColumns,
  columns as columnFacts,
  type SortableColumn,
  sortable,
} from '../catalogue/columns.ts'
import { queryTags } from '../catalogue/tags.ts'
import { normalQuery } from '../catalogue/words.ts'
import { bestFirst, type CursorValues, nameOf, type SortKey, totalOrder } from '../db/order.ts'
import type { ListQuery } from '../db/reads/list.ts'
import { type CacheKey, canonicalKey } from '../plugins/cache/index.ts'
import { BadField } from '../plugins/errors.ts'
import type { ListParameters } from '../schemas/lists.ts'

type Parameters = Static<typeof ListParameters>

/** A list request in the form the database takes, the columns to show, and its canonical query. */
export interface ParsedList {
  query: ListQuery
  columns: readonly AnimeColumn[]
  canonical: Record<string, unknown>
}

/**
 * Reads the validated parameters of a list: what stands for the default is dropped, so that equal
 * requests have equal keys.
 * @throws BadField for a sort, a field, a range or a cursor that makes no sense
 */
export function parseList(parameters: Parameters): ParsedList {
  const { sort: sortText, fields, limit, cursor, ...given } = parameters
  const { minYear = -Infinity, maxYear = Infinity, minScore = 0, maxScore = 10 } = given
  if (minYear > maxYear) throw new BadField('minYear', 'must not be above maxYear')
  if (minScore > maxScore) throw new BadField('minScore', 'must not be above maxScore')
  const filters = { ...given }
  if (filters.genre !== undefined) filters.genre = [...new Set(filters.genre)].sort()
  if (filters.q !== undefined) filters.q = parseSearch(filters.q)
  const best = filters.q !== undefined && sortText === undefined
  const sort = parseSort(sortText)
  const columns = parseFields(fields)
  return {
    query: {
      filters,
      sort,
      limit,
      cursor: cursor === undefined ? cursor : decode(cursor, sort, best),
      bestFirst: best,
    },
    columns,
    canonical: {
      ...filters,
      // The order of the ids is the default of a list, and not that of a search.
      sort: nameOf(sort) || (filters.q !== undefined && !best ? 'id' : undefined),
      fields: columns.length < animeColumns.length ? columns.join() : undefined,
      limit,
      cursor,
    },
  }
}

export const listKey = ({ canonical, query }: ParsedList): CacheKey => ({
  key: canonicalKey('animes', canonical),
  tags: queryTags(query.filters),
})

/**
 * The normal form of a text that is searched: all that spellings of it have in common.
 * @throws BadField where there is nothing to look for
 */
export function parseSearch(q: string): string {
  const normal = normalQuery(q)
  if (normal === '') throw new BadField('q', 'has no letter and no digit to search for')
  return normal
}

/**
 * Equal orders have equal keys: what follows `id`, which no two titles share, is dropped, and so is an
 * `id` that would be added anyhow.
 */
function parseSort(text: string | undefined): SortKey[] {
  if (text === undefined) return []
  const keys = text.split(',').map((name): SortKey => {
    const descending = name.startsWith('-')
    const column = sortable.find((known) => known === name.slice(descending ? 1 : 0))
    if (column === undefined) {
      throw new BadField('sort', `has no column "${name}"; it takes ${sortable.join(', ')}`)
    }
    return { column, descending }
  })
  if (new Set(keys.map(({ column }) => column)).size < keys.length) {
    throw new BadField('sort', 'names a column twice')
  }
  const whole = totalOrder(keys)
  const withoutId = whole.slice(0, -1)
  const added = totalOrder(withoutId).at(-1)!
  return added.descending === whole.at(-1)!.descending ? withoutId : whole
}

function parseFields(text: string | undefined): readonly AnimeColumn[] {
  if (text === undefined) return animeColumns
  const wanted = text.split(',')
  for (const name of wanted) {
    if (!animeColumns.includes(name as AnimeColumn)) {
      throw new BadField('fields', `has no column "${name}"; it takes ${animeColumns.join(', ')}`)
    }
  }
  return animeColumns.filter((column) => wanted.includes(column))
}

function decode(cursor: string, sort: SortKey[], best: boolean): CursorValues {
  const keys = totalOrder(sort)
  const order = best ? bestFirst : nameOf(keys)
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw new BadField('cursor', 'is not one that this service gave out')
  }
  // One spelling of each: it is part of the key of an answer.
  const canonical = Buffer.from(JSON.stringify(parts)).toString('base64url')
  if (canonical !== cursor) throw new BadField('cursor', 'is not one that this service gave out')
  const [name, ...values] = Array.isArray(parts) ? parts : []
  if (values.length > 0 && name !== order) {
    throw new BadField('cursor', 'belongs to another sort order')
  }
  const fits = best
    ? values.length === 2 && values.every((value) => isCount(value))
    : keys.length === values.length && keys.every((key, at) => valueFits(key, values[at]))
  if (!fits) throw new BadField('cursor', 'is not one that this service gave out')
  return values
}

const isCount = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 2_147_483_647

const isNumber = (column: SortableColumn) =>
  column === 'id' || ['integer', 'decimal'].includes(columnFacts[column].kind)

function valueFits({ column }: SortKey, value: unknown): boolean {
  if (!isNumber(column)) return typeof value === 'string' && value.length <= 400
  if (value === null) return column !== 'id'
  return typeof value === 'number' && Math.abs(value) <= 2_147_483_647
}
