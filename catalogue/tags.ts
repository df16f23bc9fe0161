/** A tag of the cache: a column and one value of it, free of spaces, commas and quotes. */
const tag = (column: string, value: string | number) => `${column}:${encodeURIComponent(value)}`

/** What a row's tags are made of. `genres` is a JSON array. */
interface Tagged {
  id: number
  type: string
  year: number | null
  genres: string
}

/** The filters of a list that carry tags. */
interface TaggedFilters {
  type?: string | undefined
  genre?: readonly string[] | undefined
  year?: number | undefined
}

/**
 * The tags of a list: its equality filters, or `all` where it has none. Ranges, search, sort and paging
 * only narrow a list, and carry no tag.
 */
export function queryTags({ type, genre = [], year }: TaggedFilters): string[] {
  const tags = genre.map((name) => tag('genre', name))
  if (type !== undefined) tags.push(tag('type', type))
  if (year !== undefined) tags.push(tag('year', year))
  return tags.length > 0 ? tags : ['all']
}

/** The tags of a row: a list can hold the row only if each tag of the list is among them. */
export function rowTags({ id, type, year, genres }: Tagged): string[] {
  const tags = (JSON.parse(genres) as string[]).map((name) => tag('genre', name))
  tags.push('all', tag('id', id), tag('type', type))
  if (year !== null) tags.push(tag('year', year))
  return tags
}
