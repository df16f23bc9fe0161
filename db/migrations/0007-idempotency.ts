import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/** The answers given under an `Idempotency-Key`, each written in the transaction of its write. */
export const idempotencyKeys = ({ types }: Dialect): Migration => ({
  async up(db) {
    await db.schema
      .createTable('idempotency_keys')
      .addColumn('hash', types.code(43), (c) => c.notNull())
      .addColumn('fingerprint', types.code(43), (c) => c.notNull())
      .addColumn('created_at', types.code(24), (c) => c.notNull())
      .addColumn('answer', types.longText)
      .addPrimaryKeyConstraint('idempotency_keys_pk', ['hash'])
      .execute()
    await db.schema
      .createIndex('idempotency_keys_created_at')
      .on('idempotency_keys')
      .column('created_at')
      .execute()
  },
})
