import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import http from 'node:http'
import type { Teardown } from './app.ts'
import type { Server } from './process.ts'
import { until } from './until.ts'

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

/** One worker, as seen over a connection of its own. */
export interface WorkerClient {
  pid: number
  request: (path: string, options?: Options) => Promise<Answer>
}

interface Options {
  method?: string
  headers?: Record<string, string>
  body?: object
}

/** The pids of a server's workers (Linux). */
export function pidsOf({ child: { pid } }: Pick<Server, 'child'>): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim().split(' ').filter(Boolean).map(Number)
}

/** A connection to each of `count` workers: new ones are made until each worker has accepted one. */
export async function clientsOf(
  t: Teardown,
  server: Server,
  count: number,
): Promise<WorkerClient[]> {
  const clients = new Map<number, WorkerClient>()
  await until(`a connection to each of ${count} workers`, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    const { port } = await send(agent, server.url, '/health/live')
    const pid = pidsOf(server).find((pid) => holdsConnection(pid, port))
    if (pid === undefined || clients.has(pid)) agent.destroy()
    else
      clients.set(pid, { pid, request: (path, options) => send(agent, server.url, path, options) })
    return clients.size === count
  })
  return [...clients.values()]
}

function send(
  agent: http.Agent,
  base: string,
  path: string,
  { method = 'GET', headers = {}, body }: Options = {},
): Promise<Answer & { port: number }> {
  return new Promise((resolve, reject) => {
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const options = { agent, method, headers: { ...json, ...headers } }
    const request = http.request(`${base}${path}`, options, (answer) => {
      const { localPort: port = 0 } = answer.socket
      const { statusCode: status = 0, headers } = answer
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () => resolve({ status, headers, body: text, port }))
      answer.on('error', reject)
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Whether a process has the other end of our connection from `port` (Linux). */
function holdsConnection(pid: number, port: number): boolean {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  const row = rows.map((line) => line.trim().split(/\s+/)).find(([, , other]) => other === remote)
  if (row === undefined) return false
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${row[9]}]`
    } catch {
      return false
    }
  })
}
