import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Teardown } from './app.ts'

/**
 * What becomes of a message to the server: it arrives; it and its link are lost; its answer is; it and
 * all that follows on its link vanish, and nobody is told.
 */
type Fate = 'arrives' | 'is lost' | 'loses its answer' | 'vanishes'

/** A link to a server that a test can cut, stall and count. */
export interface TcpProxy {
  port: number
  /** Connections open now, and the most there were at a time. */
  open: () => number
  peak: () => number
  /** Resets every connection. */
  cut: () => void
  /** Bytes stay where they are, both ways, until `resume`. */
  stall: () => void
  resume: () => void
  /** Resets new connections at once, as if nobody listened, until `accept`. */
  refuse: () => void
  accept: () => void
  /** Decides on each message to the server; `undefined`: all arrive. */
  decide: (fate: ((message: Buffer) => Fate) | undefined) => void
}

/** Starts a proxy to `host`:`port` on a free port; closed when the test ends. */
export async function startProxy(
  t: Teardown,
  { host, port }: { host: string; port: number },
): Promise<TcpProxy> {
  const links = new Set<{ client: Socket; server: Socket }>()
  let peak = 0
  let stalled = false
  let refusing = false
  let fateOf: ((message: Buffer) => Fate) | undefined

  const proxy = createServer({ pauseOnConnect: true }, (client) => {
    if (refusing) return void client.resetAndDestroy()
    const server = connect(port, host)
    const link = { client, server }
    links.add(link)
    peak = Math.max(peak, links.size)
    const end = () => {
      links.delete(link)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
    let mute = false
    let dead = false
    client.on('data', (message: Buffer) => {
      const fate = fateOf?.(message) ?? 'arrives'
      dead ||= fate === 'vanishes'
      if (dead) return
      if (fate === 'is lost') return void client.resetAndDestroy()
      if (fate === 'loses its answer') mute = true
      server.write(message)
    })
    server.on('data', (answer) => {
      if (mute) client.resetAndDestroy()
      else client.write(answer)
    })
    if (stalled) server.pause()
    else client.resume()
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const each = (act: (socket: Socket) => void) => {
    for (const { client, server } of links) for (const socket of [client, server]) act(socket)
  }
  t.teardown(() => {
    each((socket) => socket.destroy())
    proxy.close()
  })
  return {
    port: (proxy.address() as { port: number }).port,
    open: () => links.size,
    peak: () => peak,
    cut: () => {
      for (const { client } of links) client.resetAndDestroy()
    },
    stall: () => {
      stalled = true
      each((socket) => socket.pause())
    },
    resume: () => {
      stalled = false
      each((socket) => socket.resume())
    },
    refuse: () => {
      refusing = true
    },
    accept: () => {
      refusing = false
    },
    decide: (fate) => {
      fateOf = fate
    },
  }
}
