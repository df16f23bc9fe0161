import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * The accounts, and the refresh tokens of their sessions. Times are ISO 8601 in UTC as text, whose
 * order is that of time and which both databases give back as they took it.
 */
export const accounts = ({ types }: Dialect): Migration => ({
  async up(db) {
    await db.schema
      .createTable('users')
      .addColumn('id', types.id, types.identity)
      .addColumn('email', types.code(254), (c) => c.notNull())
      .addColumn('role', types.code(16), (c) => c.notNull())
      .addColumn('password_hash', types.code(255))
      .addColumn('firebase_uid', types.code(128))
      .addColumn('created_at', types.code(24), (c) => c.notNull())
      .execute()
    await db.schema.createIndex('users_email').unique().on('users').column('email').execute()
    await db.schema
      .createIndex('users_firebase_uid')
      .unique()
      .on('users')
      .column('firebase_uid')
      .where(sql.ref('firebase_uid'), 'is not', null)
      .execute()
    await db.schema
      .createTable('refresh_tokens')
      .addColumn('hash', types.code(43), (c) => c.notNull())
      .addColumn('family', types.code(36), (c) => c.notNull())
      .addColumn('user_id', types.integer, (c) => c.notNull())
      .addColumn('address', types.code(43), (c) => c.notNull())
      .addColumn('signed_in_at', types.code(24), (c) => c.notNull())
      .addColumn('expires_at', types.code(24), (c) => c.notNull())
      .addColumn('used_at', types.code(24))
      .addPrimaryKeyConstraint('refresh_tokens_pk', ['hash'])
      .addForeignKeyConstraint('refresh_tokens_user', ['user_id'], 'users', ['id'], (c) =>
        c.onDelete('cascade'),
      )
      .execute()
    for (const column of ['family', 'user_id'] as const) {
      await db.schema
        .createIndex(`refresh_tokens_${column}`)
        .on('refresh_tokens')
        .column(column)
        .execute()
    }
  },
})
