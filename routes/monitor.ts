import type { FastifyInstance } from 'fastify'
import { takeSnapshot } from '../plugins/metrics/snapshot.ts'

/** The numbers that the monitor page draws: for admins wherever the catalogue is not public. */
export default async function routes(app: FastifyInstance) {
  app.get(
    '/monitor/data',
    {
      logLevel: 'warn',
      schema: { hide: true },
      onRequest: app.config.READ_ROLE === 'public' ? [] : [app.requireRole('admin')],
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return takeSnapshot(app.metrics)
    },
  )
}
