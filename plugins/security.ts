import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** The security headers of every answer, and CORS where `CORS_ORIGIN` names origins. */
async function securityPlugin(app: FastifyInstance) {
  const { CORS_ORIGIN: origins } = app.config
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: { 'upgrade-insecure-requests': null },
    },
  })
  if (origins === undefined) return
  await app.register(cors, {
    origin: origins === '*' ? '*' : origins.split(',').map((origin) => origin.trim()),
    exposedHeaders: ['etag', 'link', 'location', 'age', 'cache-status', 'retry-after'],
  })
}

export default fp(securityPlugin, { name: 'security', dependencies: ['config', 'cache'] })
