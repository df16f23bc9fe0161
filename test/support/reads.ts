import { type AnimeColumn, animeColumns } from '../../catalogue/columns.ts'
import type { Database, ReadAnswer } from '../../db/dialects/dialect.ts'
import type { SortKey } from '../../db/order.ts'
import type { ListQuery, Matching } from '../../db/reads/list.ts'
import type { FinishedRead, Read } from '../../db/reads/read.ts'
import type { Title } from './catalogue.ts'

/** `sort` as the API takes it. */
export const sortBy = (text: string): SortKey[] =>
  text === ''
    ? []
    : text.split(',').map((name) => ({
        column: name.replace('-', '') as SortKey['column'],
        descending: name.startsWith('-'),
      }))

export function finished(answer: ReadAnswer | undefined): FinishedRead {
  if (answer === undefined || 'stream' in answer) throw new Error('not a finished answer')
  return answer
}

export interface List {
  data: Title[]
  total: number
  next: string | null
  matching: Matching | undefined
  /** The next page's `cursor`. */
  cursor: ListQuery['cursor']
}

/** A list or page, as the API would send it. */
export async function readList(
  { read }: Pick<Database, 'read'>,
  query: ListQuery,
  {
    columns = animeColumns,
    matching,
  }: { columns?: readonly AnimeColumn[]; matching?: Matching } = {},
): Promise<List> {
  const what: Read = { what: 'list', query, columns, matching }
  const { body, next, matching: found } = finished(await read(what))
  const parsed = JSON.parse(Buffer.from(body).toString())
  const cursor = next === null ? undefined : JSON.parse(Buffer.from(next, 'base64url').toString())
  return { ...parsed, matching: found, cursor: cursor?.slice(1) }
}
