import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

const tags = ['operation']
const Readiness = Type.Object({
  status: Type.Enum(['ok', 'degraded', 'starting', 'closing']),
  database: Type.Enum(['connecting', 'migrating', 'filling', 'ok', 'unavailable']),
  redis: Type.Enum(['ok', 'unavailable', 'unset']),
  admin: Type.Enum(['ok', 'missing', 'unset'], { description: 'the admin of ADMIN_EMAIL' }),
})

/**
 * Health for the platform. `ready` is 503 until the database could be used once and the first admin is
 * there, so that no traffic comes before; 200 from then on, also while the database resumes or Redis is
 * away, else the platform would take every instance out; and 503 again when the service closes. It sends
 * the database no query, which would keep a serverless one awake.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { ADMIN_EMAIL: email } = app.config
  let admin: 'ok' | 'missing' | 'unset' = email === undefined ? 'unset' : 'missing'
  let started = false

  async function begin() {
    await app.databaseState.connected
    await app.firstAdmin
    if (app.closing) return
    if (email !== undefined) admin = 'ok'
    started = true
  }
  app.addHook('onReady', async () => {
    void begin()
  })

  app.get(
    '/health/live',
    {
      logLevel: 'warn',
      config: { rateLimit: false },
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
      config: { rateLimit: false },
      schema: {
        operationId: 'ready',
        summary: 'Whether requests may come, and what the service depends on',
        tags,
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const database = app.databaseState.status
      const redis = app.cache.journal.state()
      const parts = { database, redis, admin }
      if (app.closing || !started) {
        reply.code(503).header('retry-after', app.databaseState.notice.seconds)
        return { status: app.closing ? ('closing' as const) : ('starting' as const), ...parts }
      }
      const ok = database === 'ok' && redis !== 'unavailable'
      return { status: ok ? ('ok' as const) : ('degraded' as const), ...parts }
    },
  )
}

export default routes
