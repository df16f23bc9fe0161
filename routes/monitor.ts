import type { FastifyInstance } from 'fastify'
import { mergeSnapshots, type Snapshot, takeSnapshot } from '../plugins/metrics/snapshot.ts'

/** The numbers that the monitor page draws: for admins wherever the catalogue is not public. */
export default async function routes(app: FastifyInstance) {
  const pid = app.workers.size === 1 ? process.pid : process.ppid
  app.workers.answer('monitor', () => takeSnapshot(app.metrics, pid))
  app.get(
    '/monitor/data',
    {
      logLevel: 'warn',
      schema: { hide: true },
      onRequest: app.config.READ_ROLE === 'public' ? [] : [app.requireRole('admin')],
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return mergeSnapshots(await app.workers.ask<Snapshot>('monitor'))
    },
  )
}
