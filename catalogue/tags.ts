import {
  type AnimeFilters,
  type AnimeRow,
  type ColumnName,
  column,
  columnNames,
  isList,
} from './columns.ts'

/** The hash tag of the cache's keys: in a Redis Cluster they are on one node. */
export const cacheHashTag = 'animes'

/** A tag of the cache: a filter and one value of it, free of spaces, commas and quotes. */
const tag = (filter: string, value: unknown) => `${filter}:${encodeURIComponent(String(value))}`

const tagged = columnNames.flatMap((name): [ColumnName, keyof AnimeFilters][] => {
  const filter = column(name).tag
  return filter === undefined ? [] : [[name, filter]]
})

/**
 * The tags of a list: its equality filters, or `all` where it has none. Ranges, search, sort and paging
 * only narrow a list, and carry no tag.
 */
export function queryTags(filters: AnimeFilters): string[] {
  const tags = tagged.flatMap(([, filter]) =>
    [filters[filter] ?? []].flat().map((value) => tag(filter, value)),
  )
  return tags.length > 0 ? tags : ['all']
}

/** The tags of a row: a list can hold the row only if each tag of the list is among them. */
export function rowTags(row: AnimeRow): string[] {
  const tags = tagged.flatMap(([name, filter]) => {
    const value = isList(name) ? (JSON.parse(row[name]) as string[]) : (row[name] ?? [])
    return [value].flat().map((each) => tag(filter, each))
  })
  return ['all', tag('id', row.id), ...tags]
}
