import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../test/support/free-port.ts'

export const root = join(import.meta.dirname, '..')

export interface Started {
  child: ChildProcess
  base: string
  /** Milliseconds from the spawn to the first 200. */
  startupTime: number
  stop: () => Promise<void>
}

export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'anime-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * Starts a script of this repository in `folder` with a free `PORT`, and waits until `path` answers
 * 200.
 */
export async function start(
  script: string,
  args: string[],
  { folder, path, env = {} }: { folder: string; path: string; env?: NodeJS.ProcessEnv },
): Promise<Started> {
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const started = performance.now()
  const flags = script === 'server.ts' ? startFlags : []
  const child = spawn(process.execPath, [...flags, join(root, script), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: String(port), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  for (;;) {
    const answer = await fetch(base + path).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.status === 200) break
    if (child.exitCode !== null) throw new Error(`${script} exited with ${child.exitCode}`)
    if (performance.now() - started > 60_000) throw new Error(`${script} does not answer`)
    await sleep(2)
  }
  const startupTime = performance.now() - started
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { child, base, startupTime, stop }
}

/** Node's options of `npm start`. */
const startFlags = (() => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return String(scripts.start)
    .split(' ')
    .filter((word) => word.startsWith('--'))
    .map((word) => word.replace('=./', `=${root}/`))
})()

/** Starts the service on the database in `folder`, which the first start fills. */
export const startService = (folder: string, env: NodeJS.ProcessEnv = {}, path = '/v1/types') =>
  start('server.ts', [], { folder, path, env })

/** Current and peak resident memory of a process, in MiB (Linux). */
export function memoryOf({ pid }: ChildProcess): { resident: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
  return { resident: field('VmRSS'), peak: field('VmHWM') }
}

/** Processor time of a process, all threads, in microseconds (Linux). */
export function processorTime({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return ticks * 10_000
}
