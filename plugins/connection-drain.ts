import { Server } from 'node:net'
import { setImmediate as afterPoll, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** True once the service has begun to close: it answers requests on open connections only. */
    closing: boolean
  }
}

/** Milliseconds without a request after which the open connections count as idle. */
const idleAfter = 100
/** Maximum milliseconds of draining. */
const maxDrain = 2000

/**
 * Drains keep-alive connections before the server closes. `http.Server.close` also closes idle connections,
 * even if the next request is already in transit, and would lose that request. So this hook only stops
 * listening, and waits until the clients have closed their connections: Fastify adds `Connection: close`
 * to every answer while it closes.
 */
async function connectionDrainPlugin(app: FastifyInstance) {
  app.decorate('closing', false)
  app.addHook('preClose', async () => {
    app.closing = true
    const { server } = app
    if (!server.listening) return
    const started = performance.now()
    let lastRequest = started
    server.prependListener('request', () => {
      lastRequest = performance.now()
    })
    // Connections that were established before are accepted in this turn of the event loop.
    await afterPoll()
    Server.prototype.close.call(server)
    const countOpen = () =>
      new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0)))
    while ((await countOpen()) > 0) {
      const now = performance.now()
      if (now - lastRequest > idleAfter || now - started > maxDrain) return
      await sleep(5)
    }
  })
}

export default fp(connectionDrainPlugin, { name: 'connection-drain' })
