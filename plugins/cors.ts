import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Allows cross-origin requests from the origins in CORS_ORIGIN (`*`: any). If it is unset, from none. */
async function corsPlugin(app: FastifyInstance) {
  const { CORS_ORIGIN: origins } = app.config
  if (origins === undefined) return
  const settings = {
    origin: origins === '*' ? '*' : origins.split(',').map((origin) => origin.trim()),
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'accept-patch',
      'age',
      'allow',
      'cache-status',
      'etag',
      'idempotent-replayed',
      'link',
      'location',
      'retry-after',
      'www-authenticate',
    ],
    maxAge: 600,
  }
  await app.register(cors, {
    // An OPTIONS request that no browser sent as a preflight is answered as without CORS.
    delegator: ({ headers }, done) =>
      done(null, {
        ...settings,
        preflight: 'origin' in headers && 'access-control-request-method' in headers,
      }),
  })
}

export default fp(corsPlugin, { name: 'cors', dependencies: ['config'] })
