import { readFile } from 'node:fs/promises'
import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * What only SQL Server needs: cleaned rows on their way into the catalogue, the procedures by which
 * `npm run import` finds the titles of those without a `source_id` and merges all, and the one by which
 * Data Factory cleans its raw text first. A later change of a procedure is a migration that drops and
 * creates it again.
 */
export const merge = ({ name, types }: Dialect): Migration => ({
  async up(db) {
    if (name !== 'mssql') return
    await db.schema
      .createTable('animes_clean')
      .addColumn('batch', types.code(64), (c) => c.notNull())
      .addColumn('position', sql`bigint`, (c) => c.identity().notNull())
      .addColumn('source_id', types.integer)
      .addColumn('exported_id', types.integer)
      .addColumn('line', types.integer)
      .addColumn('title', types.title(400), (c) => c.notNull())
      .addColumn('type', types.code(16), (c) => c.notNull())
      .addColumn('year', types.integer)
      // As JavaScript has it: a bulk load of decimals arrives garbled at Babelfish.
      .addColumn('score', sql`float`)
      .addColumn('episodes', types.integer)
      .addColumn('genres', types.longText, (c) => c.notNull())
      // The names of `genres`, with U+FFFD between them, which no clean text has.
      .addColumn('genre_names', types.longText, (c) => c.notNull())
      .addColumn('known', types.integer)
      .addPrimaryKeyConstraint('animes_clean_pk', ['batch', 'position'])
      .execute()
    await sql`drop procedure if exists import_animes`.execute(db)
    for (const procedure of ['identify_animes', 'merge_animes', 'import_animes']) {
      const text = await readFile(new URL(`0005-merge/${procedure}.sql`, import.meta.url), 'utf8')
      await sql.raw(text).execute(db)
    }
  },
})
