import { Server } from 'node:net'
import { setImmediate as afterPoll, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the service has begun to close, and answers only what still comes on open connections. */
    closing: boolean
  }
}

/** Milliseconds without a request after which the connections still open are idle, and the limit. */
const quiet = 100
const limit = 2000

/**
 * Loses no request at the end. `http.Server.close` also closes the connections that look idle, and one
 * with the next request already on its way looks idle too. So first only the listening ends, and every
 * answer says `Connection: close` (Fastify adds it while closing) until the clients have let go.
 */
async function drainPlugin(app: FastifyInstance) {
  app.decorate('closing', false)
  app.addHook('preClose', async () => {
    app.closing = true
    const { server } = app
    if (!server.listening) return
    const started = performance.now()
    let latest = started
    server.prependListener('request', () => {
      latest = performance.now()
    })
    // What has connected by now has just been accepted.
    await afterPoll()
    Server.prototype.close.call(server)
    const open = () =>
      new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0)))
    while ((await open()) > 0) {
      const now = performance.now()
      if (now - latest > quiet || now - started > limit) return
      await sleep(5)
    }
  })
}

export default fp(drainPlugin, { name: 'drain' })
