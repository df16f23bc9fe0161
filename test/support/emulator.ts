import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { program } from '../emulator/install.ts'
import { type Teardown, temporaryFolder } from './app.ts'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

/** A project whose name begins with `demo-` never leaves this machine. */
export const project = 'demo-anime'
export const noEmulator = existsSync(program)
  ? false
  : 'the Auth emulator is not installed (npm run pretest installs it)'

export interface Emulator {
  /** HOST:PORT of the way through which faults can be made. */
  host: string
  /** What becomes of the service's requests; `pass` is the default. */
  fault: (kind: 'pass' | 'down' | 'fail' | 'lose', path?: RegExp) => Promise<void>
  /** Calls the emulator past the faults, as its owner: `accounts:lookup`, `accounts:delete`... */
  call: <T = Record<string, unknown>>(method: string, body: object) => Promise<T>
  /** Signs up or in as a Firebase client does, past the service. */
  client: (method: string, body: object) => Promise<{ idToken: string; localId: string }>
  find: (email: string) => Promise<FirebaseRecord | undefined>
}

interface FirebaseRecord {
  localId: string
  email: string
  customAttributes?: string
}

/** Starts the real Firebase Auth emulator on free ports; it is gone when the test ends. */
export async function startEmulator(t: Teardown): Promise<Emulator> {
  const folder = temporaryFolder(t)
  const [auth, hub, logging] = [await freePort(), await freePort(), await freePort()]
  const on = (port: number) => ({ host: '127.0.0.1', port })
  const emulators = { auth: on(auth), hub: on(hub), logging: on(logging), ui: { enabled: false } }
  writeFileSync(join(folder, 'firebase.json'), JSON.stringify({ emulators }))
  const child = spawn(
    process.execPath,
    [program, 'emulators:start', '--only', 'auth', '--project', project],
    // Its locks, logs and settings stay in the folder.
    { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder }, stdio: 'ignore' },
  )
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const api = `http://127.0.0.1:${auth}/identitytoolkit.googleapis.com/v1`
  await until(
    'the emulator answers',
    () => fetch(`http://127.0.0.1:${auth}`).catch(() => null),
    60_000,
  )

  async function post(url: string, body: object, headers: Record<string, string> = {}) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(await answer.text())
    return answer.json()
  }
  const call = <T>(method: string, body: object): Promise<T> =>
    post(`${api}/projects/${project}/${method}`, body, { authorization: 'Bearer owner' })
  const { host, fault } = await startFaults(t, auth)
  return {
    host,
    fault,
    call,
    client: (method, body) =>
      post(`${api}/${method}?key=any`, { returnSecureToken: true, ...body }),
    find: async (email) => {
      const { users = [] } = await call<{ users?: FirebaseRecord[] }>('accounts:lookup', {
        email: [email],
      })
      return users[0]
    },
  }
}

/**
 * Stands between the service and the emulator. `down`: nobody listens; `fail`: requests to `path`
 * are answered 500; `lose`: they are carried out and their answer is lost.
 */
async function startFaults(t: Teardown, port: number) {
  let kind: Parameters<Emulator['fault']>[0] = 'pass'
  let path = /./
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const hit = kind !== 'pass' && path.test(incoming.url!)
    if (hit && kind === 'fail') return void outgoing.writeHead(500).end('{}')
    const { method, url, headers } = incoming
    const forwarded = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      answer.on('error', () => outgoing.destroy())
      if (hit) return void answer.resume().on('end', () => incoming.socket.destroy())
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port: own } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${own}`,
    fault: (async (next, where = /./) => {
      if (next === 'down') {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      } else if (kind === 'down') {
        server.listen(own, '127.0.0.1')
        await once(server, 'listening')
      }
      kind = next
      path = where
    }) as Emulator['fault'],
  }
}
