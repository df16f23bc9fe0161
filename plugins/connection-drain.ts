import { Server, type Socket } from 'node:net'
import { setImmediate as afterPoll, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** True once the service has begun to close: it answers requests on open connections only. */
    closing: boolean
    /** Takes no further connection. What is open goes on as before. */
    stopListening: () => Promise<void>
  }
}

/** Milliseconds without a request after which the open connections count as idle: clients may be slow. */
const idleAfter = 1000
/** Maximum milliseconds of draining. */
const maxDrain = 4000
/** Maximum milliseconds that running requests have to be answered. */
const maxAnswering = 8000

/**
 * Drains keep-alive connections before the server closes. `http.Server.close` also closes idle connections,
 * even if the next request is already in transit, and would lose that request. So this hook only stops
 * listening, and waits until the clients have closed their connections: Fastify answers
 * requests that arrive meanwhile with `Connection: close`. Connections that remain are closed once no
 * answer is under way, or after `maxAnswering`.
 */
async function connectionDrainPlugin(app: FastifyInstance) {
  const { server } = app
  /** Handlers that have not answered. */
  let running = 0
  app.decorate('closing', false)
  const ended = () => {
    running -= 1
  }
  // Hits end before this hook: what they have not sent yet is in their socket.
  app.addHook('preHandler', (_request, { raw }, done) => {
    if (!raw.closed) {
      running += 1
      raw.once('close', ended)
    }
    done()
  })

  const open = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket) => {
    accepted += 1
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const isSending = () => open.values().some(({ writableLength }) => writableLength > 0)

  async function drain(started: number): Promise<void> {
    let lastRequest = started
    server.prependListener('request', () => {
      lastRequest = performance.now()
    })
    while (open.size > 0) {
      const now = performance.now()
      if (now - lastRequest > idleAfter || now - started > maxDrain) return
      await sleep(5)
    }
  }

  // Once `http.Server.close` was called, nothing closes a connection whose request ends later, or times out a
  // request that is half sent: the server would wait for the keep-alive timeout, more than a minute.
  async function closeRemaining(started: number): Promise<void> {
    while ((running > 0 || isSending()) && performance.now() - started < maxAnswering) {
      if (open.size === 0) return
      await sleep(20, undefined, { ref: false })
    }
    server.closeAllConnections()
  }

  /** Connections that are established wait in the kernel, and a turn of the event loop accepts one of them. */
  async function acceptWaiting(): Promise<void> {
    const started = performance.now()
    await afterPoll()
    for (let before = -1; before !== accepted && performance.now() - started < maxDrain; ) {
      before = accepted
      await afterPoll()
    }
  }

  let listened = false
  app.decorate('stopListening', async () => {
    if (!server.listening) return
    listened = true
    await acceptWaiting()
    if (server.listening) Server.prototype.close.call(server)
  })

  app.addHook('preClose', async () => {
    app.closing = true
    await app.stopListening()
    if (!listened) return
    const started = performance.now()
    await drain(started)
    // For Node a connection is idle once its answer was handed over, however much of it waits to be sent.
    while (isSending() && performance.now() - started < maxAnswering) await sleep(20)
    void closeRemaining(started)
  })
}

export default fp(connectionDrainPlugin, { name: 'connection-drain' })
