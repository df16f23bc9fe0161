import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/** The titles, their genres, and the outbox from which the cache learns of committed writes. */
export const catalogue = ({ types }: Dialect): Migration => ({
  async up(db) {
    await db.schema
      .createTable('animes')
      .addColumn('id', types.id, types.identity)
      .addColumn('source_id', types.integer)
      .addColumn('title', types.title(400), (c) => c.notNull())
      .addColumn('type', types.code(16), (c) => c.notNull())
      .addColumn('year', types.integer)
      .addColumn('score', types.score)
      .addColumn('episodes', types.integer)
      .addColumn('genres', types.longText, (c) => c.notNull())
      .execute()
    await db.schema
      .createIndex('animes_source_id')
      .unique()
      .on('animes')
      .column('source_id')
      .where(sql.ref('source_id'), 'is not', null)
      .execute()
    for (const column of ['type', 'year', 'score', 'episodes', 'title']) {
      await db.schema.createIndex(`animes_${column}`).on('animes').columns([column, 'id']).execute()
    }
    await db.schema
      .createTable('anime_genres')
      .addColumn('genre', types.code(64), (c) => c.notNull())
      .addColumn('anime_id', types.integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('anime_genres_pk', ['genre', 'anime_id'])
      .addForeignKeyConstraint('anime_genres_anime', ['anime_id'], 'animes', ['id'], (c) =>
        c.onDelete('cascade'),
      )
      .execute()
    await db.schema
      .createIndex('anime_genres_anime_id')
      .on('anime_genres')
      .column('anime_id')
      .execute()
    await db.schema
      .createTable('outbox')
      .addColumn('id', types.id, types.identity)
      .addColumn('tags', types.longText, (c) => c.notNull())
      .addColumn('mark', types.code(64))
      .addColumn('created_at', types.timestamp, (c) => c.notNull().defaultTo(types.now))
      .execute()
  },
})
