import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { type Teardown, temporaryFolder } from './app.ts'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

/** A Redis server of the test's own on 127.0.0.1. */
export interface TestRedis {
  url: string
  port: number
  /** A plain client, for looking at what the service left there. */
  client: Redis
  /** SIGKILL, and gone. */
  kill: () => Promise<void>
  /** Starts it again on the same port, empty. */
  start: () => Promise<void>
  pause: () => void
  resume: () => void
}

/** Starts `redis-server` with `args` on a free port; it is killed when the test ends. */
export async function startRedis(t: Teardown, args: string[] = []): Promise<TestRedis> {
  const program = redisServer()
  const dir = temporaryFolder(t)
  const port = await freePort()
  const client = new Redis(port, '127.0.0.1', {
    lazyConnect: true,
    maxRetriesPerRequest: 100,
    retryStrategy: () => 50,
  })
  client.on('error', () => {})
  let child: ChildProcess | undefined

  async function start() {
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir]
    child = spawn(program, [...fixed, ...args], { stdio: 'ignore' })
    await until('redis answers', async () => (await client.ping()) === 'PONG')
  }

  async function kill() {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  t.teardown(async () => {
    client.disconnect()
    await kill()
  })
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    kill,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
}

let found: string | undefined

/** `redis-server` of the path; where there is none and we may, Debian's. */
function redisServer(): string {
  found ??= onPath() ?? installed()
  return found
}

function onPath(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return 'redis-server'
  } catch {
    return undefined
  }
}

function installed(): string {
  if (process.getuid?.() !== 0) {
    throw new Error('the tests need redis-server on the path: install the package redis-server')
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' })
  execFileSync('apt-get', ['install', '-y', '-qq', 'redis-server'], { env, stdio: 'ignore' })
  return 'redis-server'
}
