import { readFile } from 'node:fs/promises'
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'
import { createWordChanges } from '../search/entries.ts'
import { runOn } from '../search/rows.ts'
import { setSortTitles } from '../search/titles.ts'
import { applyWordChanges } from '../search/write.ts'

/** Titles read at a time, and entries gathered before they are written: some 20 MiB. */
const titlesAtATime = 1000
const entriesAtATime = 500_000

/**
 * The words of the titles, for search: blocks of entries (search/entries.ts) by word, and each word
 * backwards, by which a correction is found. And the normal form of each title, for `sort=title`.
 */
export const search = ({ name, types }: Dialect): Migration => ({
  async up(db) {
    await db.schema
      .createTable('search_words')
      .addColumn('id', types.id, types.identity)
      .addColumn('word', types.code(64), (c) => c.notNull())
      .addColumn('mirrored', types.code(64), (c) => c.notNull())
      .addColumn('first_id', types.integer, (c) => c.notNull())
      .addColumn('entries', types.bytes, (c) => c.notNull())
      .execute()
    await db.schema
      .createIndex('search_words_word')
      .unique()
      .on('search_words')
      .columns(['word', 'first_id'])
      .execute()
    await db.schema
      .createIndex('search_words_mirrored')
      .on('search_words')
      .columns(['mirrored', 'first_id'])
      .execute()
    await db.schema
      .alterTable('animes')
      .addColumn('sort_title', types.code(400), (c) => c.notNull().defaultTo(''))
      .execute()
    await fill(db as Kysely<unknown>, name)
    await db.schema
      .createIndex('animes_sort_title')
      .on('animes')
      .columns(['sort_title', 'id'])
      .execute()
    const title = db.schema.dropIndex('animes_title')
    await (name === 'mssql' ? title.on('animes') : title).execute()
    if (name === 'mssql') await makeQueue(db as Kysely<unknown>, types)
  },
})

/**
 * Only for SQL Server: titles that `merge_animes` has added (no `title`), changed or removed, whose words
 * are not up to date yet. And the procedures, which now say so, and find titles by their normal form.
 */
async function makeQueue(db: Kysely<unknown>, types: Dialect['types']): Promise<void> {
  await db.schema
    .createTable('search_queue')
    .addColumn('id', types.id, types.identity)
    .addColumn('anime_id', types.integer, (c) => c.notNull())
    .addColumn('title', types.title(400))
    .execute()
  // The importer's rows have it; for those of Data Factory it comes with the words.
  await db.schema.alterTable('animes_clean').addColumn('sort_title', types.code(400)).execute()
  for (const procedure of ['identify_animes', 'merge_animes']) {
    const text = await readFile(new URL(`0008-search/${procedure}.sql`, import.meta.url), 'utf8')
    await sql.raw(`drop procedure ${procedure}`).execute(db)
    await sql.raw(text).execute(db)
  }
}

/** The words and normal forms of the titles that are there already. */
async function fill(db: Kysely<unknown>, name: Dialect['name']): Promise<void> {
  const changes = createWordChanges()
  const run = runOn(db)
  const first =
    name === 'sqlite'
      ? sql`limit ${titlesAtATime}`
      : sql`offset 0 rows fetch next ${sql.lit(titlesAtATime)} rows only`
  for (let last = 0; ; ) {
    const { rows } = await sql<{ id: number; title: string; score: number | null }>`
      select id, title, score from animes where id > ${last} order by id ${first}
    `.execute(db)
    if (rows.length === 0) break
    const titles = rows.map(({ id, title, score }) => ({
      id,
      sortTitle: changes.add(id, title, score),
    }))
    await setSortTitles(run, titles)
    last = rows.at(-1)!.id
    if (changes.size >= entriesAtATime) await applyWordChanges(run, changes.take())
  }
  await applyWordChanges(run, changes.take())
}
