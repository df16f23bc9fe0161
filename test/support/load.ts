import http from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Teardown } from './app.ts'

/**
 * Clients that ask for `paths` over kept connections, one request after the other, until the service refuses a
 * connection. `lost` has what was neither answered with 200 nor refused. `tooSlow` says whether the clients stood
 * still for so long that a service may take their connections for idle.
 */
export function keepLoading(t: Teardown, url: string, paths: string[]) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: paths.length })
  t.teardown(() => agent.destroy())
  const delays = monitorEventLoopDelay({ resolution: 20 })
  delays.enable()
  const seen = { ok: 0, refused: 0 }
  const lost: string[] = []
  const request = (path: string) =>
    new Promise<boolean>((resolve) => {
      const sent = http.get(`${url}${path}`, { agent }, (answer) => {
        answer.resume()
        answer.on('end', () => {
          if (answer.statusCode === 200) seen.ok += 1
          else lost.push(`status ${answer.statusCode}`)
          resolve(true)
        })
        answer.on('error', (error) => lost.push(`body: ${error.message}`))
      })
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') seen.refused += 1
        else lost.push(`${error.code}, ${sent.reusedSocket ? 'used' : 'fresh'} connection`)
        resolve(false)
      })
    })
  const client = async (path: string) => {
    while (await request(path));
  }
  const tooSlow = () => lost.length > 0 && delays.max > 500e6 && 'the machine was too slow'
  return { seen, lost, tooSlow, ended: Promise.all(paths.map(client)) }
}
