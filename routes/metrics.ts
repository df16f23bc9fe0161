import type { FastifyInstance } from 'fastify'

/**
 * The numbers for Prometheus (text format 0.0.4). The library is loaded at the first scrape: a service
 * that is not scraped pays nothing for it.
 */
export default async function routes(app: FastifyInstance) {
  let loading: Promise<import('prom-client').Registry> | undefined
  const load = () => import('../plugins/metrics/prometheus.ts')
  const ownRegistry = () => {
    loading ??= load().then(({ createRegistry }) => createRegistry(app.metrics))
    return loading
  }
  app.workers.answer('metrics', async () => (await ownRegistry()).getMetricsAsJSON())
  app.get(
    '/metrics',
    {
      logLevel: 'warn',
      config: { rateLimit: false },
      schema: { operationId: 'metrics', summary: 'Numbers for Prometheus', tags: ['operation'] },
    },
    async (_request, reply) => {
      const registry =
        app.workers.size === 1
          ? await ownRegistry()
          : (await load()).sumRegistries(await app.workers.ask('metrics'))
      return reply
        .type(registry.contentType)
        .header('cache-control', 'no-store')
        .send(await registry.metrics())
    },
  )
}
