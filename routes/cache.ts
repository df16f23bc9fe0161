import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { everything } from '../plugins/cache/index.ts'
import { answers, problems } from '../schemas/problems.ts'

const tags = ['operation']
const security = [{ bearer: [] }]
const count = Type.Integer({ minimum: 0 })

const CacheEntryInfo = Type.Object({
  key: Type.String(),
  tags: Type.Array(Type.String()),
  bytes: count,
  age: Type.Integer({ description: 'seconds since it was made' }),
  ttl: Type.Integer({ description: 'seconds that it may still be kept' }),
  hits: Type.Optional(count),
  tier: Type.Enum(['memory', 'redis']),
})

const CacheReport = Type.Object({
  totals: Type.Object({
    hits: count,
    misses: count,
    bypasses: count,
    invalidations: count,
    staleReads: count,
    hitRatio: Type.Number({ description: 'hits of all reads of this instance, 0 to 1' }),
    entries: count,
    bytes: count,
    redis: Type.Enum(['ok', 'unavailable', 'unset']),
  }),
  data: Type.Array(CacheEntryInfo),
})

/** What the cache holds, and how to empty it; for admins. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { cache } = app
  const onRequest = app.requireRole('admin')

  app.get(
    '/cache',
    {
      onRequest,
      schema: {
        operationId: 'showCache',
        summary: 'The answers held, in this instance and in Redis, and the totals',
        tags,
        security,
        querystring: Type.Object(
          { limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 }) },
          { additionalProperties: false },
        ),
        response: answers(CacheReport, 400, 401, 403),
      },
    },
    async ({ query }, reply) => {
      const { hits, misses, bypasses } = cache.totals
      const hitRatio = hits / Math.max(1, hits + misses + bypasses)
      const { size: entries, bytes } = cache.memory
      const redis = cache.journal.state()
      const totals = { ...cache.totals, hitRatio, entries, bytes, redis }
      reply.header('cache-control', 'no-store')
      return { totals, data: await cache.list(query.limit) }
    },
  )

  app.delete(
    '/cache',
    {
      onRequest,
      schema: {
        operationId: 'purgeCache',
        summary: 'Remove every answer, or with `key` one',
        tags,
        security,
        querystring: Type.Object(
          {
            key: Type.Optional(
              Type.String({
                maxLength: 4096,
                pattern: '^[^@\\s\\ud800-\\udfff][^\\s\\ud800-\\udfff]*$',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 204: { type: 'null' } as unknown, ...problems(400, 401, 403, 503) },
      },
    },
    async (request, reply) => {
      const { key } = request.query
      const change = key === undefined ? everything : { key }
      await request.write(async () => ({ result: undefined, change }))
      return reply.code(204).send()
    },
  )
}

export default routes
