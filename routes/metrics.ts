import type { FastifyInstance } from 'fastify'

/**
 * The numbers for Prometheus (text format 0.0.4). The library is loaded at the first scrape: a service
 * that nobody scrapes pays nothing for it.
 */
export default async function routes(app: FastifyInstance) {
  let loading: Promise<import('prom-client').Registry> | undefined
  app.get(
    '/metrics',
    {
      logLevel: 'warn',
      config: { rateLimit: false },
      schema: { operationId: 'metrics', summary: 'Numbers for Prometheus', tags: ['operation'] },
    },
    async (_request, reply) => {
      loading ??= import('../plugins/metrics/prometheus.ts').then(({ createRegistry }) =>
        createRegistry(app.metrics),
      )
      const registry = await loading
      return reply
        .type(registry.contentType)
        .header('cache-control', 'no-store')
        .send(await registry.metrics())
    },
  )
}
