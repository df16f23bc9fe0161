import type { AnimeRow } from '../db/animes.ts'
import type { AnimeColumn } from './list-query.ts'

/**
 * One title as JSON. `genres` is JSON already, and numbers and types need no escaping, so that a list
 * of 20,000 costs less than `JSON.stringify` of parsed rows.
 */
export function renderAnime({ id, title, type, year, score, episodes, genres }: AnimeRow): string {
  return `{"id":${id},"title":${JSON.stringify(title)},"type":"${type}","year":${year},"score":${score},"episodes":${episodes},"genres":${genres}}`
}

/** A page of titles, all columns or some, with the total and the next cursor. */
export function renderList(
  rows: AnimeRow[],
  columns: readonly AnimeColumn[],
  total: number,
  next: string | null,
): string {
  const render = columns.length === 7 ? renderAnime : (row: AnimeRow) => renderSome(row, columns)
  let data = ''
  for (const row of rows) data += data === '' ? render(row) : `,${render(row)}`
  return `{"data":[${data}],"total":${total},"next":${next === null ? null : `"${next}"`}}`
}

function renderSome(row: AnimeRow, columns: readonly AnimeColumn[]): string {
  const members = columns.map((column) =>
    column === 'genres' ? `"genres":${row.genres}` : `"${column}":${JSON.stringify(row[column])}`,
  )
  return `{${members.join()}}`
}
