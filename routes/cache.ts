import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from 'typebox'
import { everything } from '../plugins/cache/index.ts'
import type { Cache } from '../plugins/cache/protocol.ts'
import { addUp } from '../plugins/workers/add-up.ts'
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

type CacheEntryInfo = Static<typeof CacheEntryInfo>

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

/** What one process holds. */
type Held = Awaited<ReturnType<typeof holds>>

async function holds({ list, totals, memory, journal }: Cache, limit: number) {
  // First, since it also removes what writes have made wrong.
  const data: CacheEntryInfo[] = await list(limit)
  const { size: entries, bytes } = memory
  return { totals: { ...totals, entries, bytes }, redis: journal.state(), data }
}

/** What several processes hold: their copies of an answer are one row, and Redis is listed once. */
function merge(parts: Held[], limit: number) {
  const rows = {
    memory: new Map<string, CacheEntryInfo>(),
    redis: new Map<string, CacheEntryInfo>(),
  }
  for (const info of parts.flatMap(({ data }) => data)) {
    const { key, tier, bytes, age, ttl, hits = 0 } = info
    const known = rows[tier].get(key)
    if (known === undefined) rows[tier].set(key, { ...info })
    else if (tier === 'memory') {
      known.bytes += bytes
      known.hits! += hits
      known.age = Math.max(known.age, age)
      known.ttl = Math.max(known.ttl, ttl)
    }
  }
  const totals = addUp(parts.map((part) => part.totals))
  const { hits, misses, bypasses } = totals
  const hitRatio = hits / Math.max(1, hits + misses + bypasses)
  const states = parts.map((part) => part.redis)
  const redis = states.find((state) => state !== 'ok') ?? 'ok'
  const data = [rows.memory, rows.redis].flatMap((tier) => [...tier.values()].slice(0, limit))
  return { totals: { ...totals, hitRatio, redis }, data }
}

/** What the cache holds, and how to empty it; for admins. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.workers.answer('cache', (limit: number) => holds(app.cache, limit))
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
        response: answers(CacheReport, 400, 401, 403, 503),
      },
    },
    async ({ query }, reply) => {
      reply.header('cache-control', 'no-store')
      return merge(await app.workers.ask<Held>('cache', query.limit), query.limit)
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
