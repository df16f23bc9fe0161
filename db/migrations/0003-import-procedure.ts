import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * What only SQL Server needs: where Data Factory puts its raw text, and an index, so that the end of one
 * write does not wait for another. It once made the procedure too that 0005 replaces.
 */
export const importProcedure = ({ name, types }: Dialect): Migration => ({
  async up(db) {
    if (name !== 'mssql') return
    const text = (length: number) => sql.raw(`nvarchar(${length})`)
    await db.schema
      .createTable('animes_staging')
      .addColumn('batch', types.code(64), (c) => c.notNull())
      .addColumn('id', sql`bigint`, (c) => c.identity().notNull())
      .addColumn('source_id', text(400))
      .addColumn('title', text(4000))
      .addColumn('type', text(400))
      .addColumn('year', text(400))
      .addColumn('score', text(400))
      .addColumn('episodes', text(400))
      .addColumn('genres', types.longText)
      .addPrimaryKeyConstraint('animes_staging_pk', ['batch', 'id'])
      .execute()
    await db.schema.createIndex('outbox_mark').on('outbox').column('mark').execute()
  },
})
