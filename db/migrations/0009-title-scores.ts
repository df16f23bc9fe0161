import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * The index of `sort=title` has the score too: of titles that begin with the same words, the best are suggested.
 * `search_words` had a column `best` before, which nothing reads any more.
 */
export const titleScores = ({ name }: Dialect): Migration => ({
  async up(db) {
    const dropIndex = (index: string, table: string) => {
      const drop = db.schema.dropIndex(index)
      return (name === 'sqlite' ? drop : drop.on(table)).execute()
    }
    await dropIndex('animes_sort_title', 'animes')
    await db.schema
      .createIndex('animes_sort_title')
      .on('animes')
      .columns(['sort_title', 'id', 'score'])
      .execute()
    const { rows } = await (name === 'sqlite'
      ? sql`select 1 from pragma_table_info('search_words') where name = 'best'`
      : sql`select 1 as x from sys.columns
          where object_id = object_id('search_words') and name = 'best'`
    ).execute(db)
    if (rows.length === 0) return
    await dropIndex('search_words_word', 'search_words')
    await db.schema.alterTable('search_words').dropColumn('best').execute()
    await db.schema
      .createIndex('search_words_word')
      .unique()
      .on('search_words')
      .columns(['word', 'first_id'])
      .execute()
  },
})
