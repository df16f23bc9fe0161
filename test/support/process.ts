import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Teardown, temporaryFolder } from './app.ts'
import { until } from './until.ts'

export const root = join(import.meta.dirname, '../..')

/** How much of what a process prints is kept, in characters. */
const kept = 1_000_000

interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Running {
  child: ChildProcessWithoutNullStreams
  /** All that the process has printed so far. */
  stdout: () => string
  stderr: () => string
  exited: Promise<Exit>
}

export interface Server extends Running {
  url: string
  folder: string
  /** Sends SIGTERM and gives the exit. */
  stop: () => Promise<Exit>
}

/**
 * Runs a script of this repository with `env` and little else, in a folder of its own unless `cwd` is
 * given, so that no `.env` and no `.data` leak in. Killed when the test ends.
 */
export function run(
  t: Teardown,
  script: string,
  args: string[] = [],
  env: NodeJS.ProcessEnv = {},
  cwd: string = temporaryFolder(t),
): Running {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: 'pipe',
  })
  const printed = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    printed.stdout = (printed.stdout + chunk).slice(-kept)
  })
  child.stderr.on('data', (chunk) => {
    printed.stderr = (printed.stderr + chunk).slice(-kept)
  })
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }) as Exit)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, stdout: () => printed.stdout, stderr: () => printed.stderr }
}

/**
 * The service as a process of its own on a free port of 127.0.0.1, with a database in a new folder,
 * once it says that it listens.
 */
export async function startServer(
  t: Teardown,
  env: NodeJS.ProcessEnv = {},
  folder: string = temporaryFolder(t),
  script = 'server.ts',
): Promise<Server> {
  const running = run(t, script, [], { PORT: '0', ...env }, folder)
  const { child, exited, stdout, stderr } = running
  const listening = /Server listening at (http:\/\/[\d.:]+)/
  const match = await until(
    'the service listens',
    () => {
      if (child.exitCode !== null) throw new Error(`the service ended: ${stdout()}${stderr()}`)
      return listening.exec(stdout())
    },
    30_000,
  )
  const stop = () => {
    child.kill('SIGTERM')
    return exited
  }
  return { ...running, url: match[1]!, folder, stop }
}

/** Waits until the service at `url` says that it is ready. */
export async function databaseReady(url: string): Promise<void> {
  await until(
    'the service is ready',
    async () => {
      const answer = await fetch(`${url}/health/ready`).catch(() => undefined)
      await answer?.arrayBuffer()
      return answer?.status === 200
    },
    30_000,
  )
}
