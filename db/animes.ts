import type { Kysely, Transaction } from 'kysely'
import { type AnimeRow, animeColumns, type StoredValues } from '../catalogue/columns.ts'
import { sortTitle } from '../catalogue/words.ts'
import type { Database } from './dialects/dialect.ts'
import type { Schema } from './schema.ts'
import { changeWordsOf } from './search/titles.ts'

/** The title with this id, or undefined. */
export function findAnime(db: Kysely<Schema>, id: number): Promise<AnimeRow | undefined> {
  return db.selectFrom('animes').select(animeColumns).where('id', '=', id).executeTakeFirst()
}

/** Adds a title and gives its row. */
export async function insertAnime(
  { dialect }: Database,
  trx: Transaction<Schema>,
  values: StoredValues,
): Promise<AnimeRow> {
  const sort_title = sortTitle(values.title)
  await dialect.lockWords(trx)
  const id = await dialect.insertAnime(trx, { ...values, source_id: null, sort_title })
  await changeWordsOf(trx, id, undefined, values)
  await insertGenres(trx, id, values.genres)
  return { id, ...values }
}

/** The title with this id as it now stands, locked until the transaction ends. */
export async function lockAnime(
  { dialect }: Database,
  trx: Transaction<Schema>,
  id: number,
): Promise<AnimeRow | undefined> {
  const { rows } = await dialect.lockAnime(animeColumns, id).execute(trx)
  return rows[0] as AnimeRow | undefined
}

/** Changes a title and gives its new row. */
export async function updateAnime(
  trx: Transaction<Schema>,
  row: AnimeRow,
  changes: Partial<StoredValues>,
): Promise<AnimeRow> {
  const changed = { ...row, ...changes }
  const { id, ...values } = changed
  const sort_title = sortTitle(values.title)
  await trx
    .updateTable('animes')
    .set({ ...values, sort_title })
    .where('id', '=', id)
    .execute()
  await changeWordsOf(trx, id, row, values)
  if (changed.genres !== row.genres) {
    await trx.deleteFrom('anime_genres').where('anime_id', '=', id).execute()
    await insertGenres(trx, id, changed.genres)
  }
  return changed
}

/** Removes a title, its genres and its words. */
export async function deleteAnime(trx: Transaction<Schema>, row: AnimeRow): Promise<void> {
  await trx.deleteFrom('animes').where('id', '=', row.id).execute()
  await changeWordsOf(trx, row.id, row, undefined)
}

async function insertGenres(trx: Transaction<Schema>, id: number, json: string): Promise<void> {
  const rows = (JSON.parse(json) as string[]).map((genre) => ({ genre, anime_id: id }))
  if (rows.length > 0) await trx.insertInto('anime_genres').values(rows).execute()
}
