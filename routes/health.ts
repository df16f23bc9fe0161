import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

const tags = ['operation']
const Ready = Type.Object({
  status: Type.Enum(['ok', 'degraded']),
  database: Type.String(),
  redis: Type.String(),
})

/**
 * Health for the platform. `ready` stays 200 while the database resumes or Redis is away, else the
 * platform would take every instance out; and it sends the database no query, which would keep a
 * serverless one awake.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/health/live',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'live',
        summary: 'The process answers',
        tags,
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/health/ready',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'ready',
        summary: 'What the service depends on',
        tags,
        response: { 200: Ready },
      },
    },
    async () => {
      const database = app.databaseState.status
      const redis = app.cache.journal.state()
      const ok = database === 'ok' && redis !== 'unavailable'
      return { status: ok ? ('ok' as const) : ('degraded' as const), database, redis }
    },
  )
}

export default routes
