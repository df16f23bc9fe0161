import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** The `onRequest` hooks of the reading routes: what READ_ROLE asks for. */
    readers: onRequestHookHandler[]
  }
}

async function authPlugin(app: FastifyInstance) {
  app.decorate('readers', [])
}

export default fp(authPlugin, { name: 'auth', dependencies: ['config'] })
