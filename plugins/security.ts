import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Names of the headers that `reply.helmet()` sets. Their values are the same in every answer. */
export const securityHeaders = [
  'content-security-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'origin-agent-cluster',
  'referrer-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-dns-prefetch-control',
  'x-download-options',
  'x-frame-options',
  'x-permitted-cross-domain-policies',
  'x-xss-protection',
]

/** Adds the security headers to every answer. */
async function securityPlugin(app: FastifyInstance) {
  // Cached routes store the headers with the answer: the cache sets them on a miss.
  app.addHook('onRoute', (route) => {
    if (route.config?.cache !== undefined) route.helmet = false
  })
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: { 'upgrade-insecure-requests': null },
    },
  })
}

export default fp(securityPlugin, { name: 'security' })
