import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Transaction } from 'kysely'
import { cacheHashTag } from '../catalogue/tags.ts'
import { databaseName } from '../db/database-name.ts'
import { deleteOutbox, deleteOutboxByMark, insertOutbox, readOutbox } from '../db/outbox.ts'
import type { Schema } from '../db/schema.ts'
import { indexQueued } from '../db/search/queue.ts'
import cache, { type CachePluginOptions } from './cache/index.ts'
import type { Outbox } from './cache/write.ts'
import { securityHeaders } from './security.ts'

/** Hands the catalogue's database, Redis and settings to the cache. */
async function catalogueCachePlugin(app: FastifyInstance) {
  const { config, database } = app
  const isPublic = config.READ_ROLE === 'public'
  const connected = () => app.databaseState.connected

  const outbox: Outbox<Transaction<Schema>> = {
    insert: insertOutbox,
    async read() {
      await connected()
      // What Data Factory has loaded is searched from the next read of the outbox on.
      await indexQueued(database)
      return readOutbox(database.reader)
    },
    remove: (ids) => deleteOutbox(database.writer, ids),
    removeByMark: (mark) => deleteOutboxByMark(database.writer, mark),
  }
  const options: CachePluginOptions = {
    name: 'anime-api',
    redis: app.hasDecorator('redis') ? { client: app.redis, hashTag: cacheHashTag } : undefined,
    async dataset() {
      await connected()
      return databaseName(database.reader)
    },
    foreignVersion: database.foreignVersion,
    admit: database.admit,
    maxBytes: config.CACHE_MAX_BYTES,
    ttl: config.CACHE_TTL,
    headers: {
      'cache-control': isPublic ? 'no-cache' : 'private, no-cache',
      vary: isPublic ? 'accept-encoding' : 'accept-encoding, authorization',
    },
    storedHeaders: securityHeaders,
    isPerRequest:
      config.CORS_ORIGIN === undefined
        ? undefined
        : (name) => name.startsWith('access-control-') || name === 'vary',
    outbox: outbox as Outbox,
    transaction: (work) => database.writer.transaction().execute(work),
  }
  await app.register(cache, options)
}

export default fp(catalogueCachePlugin, {
  name: 'catalogue-cache',
  dependencies: ['config', 'database', 'security'],
})
