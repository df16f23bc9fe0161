import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Unavailable } from '../errors.ts'

/** What to derive a key from, and at what cost: N = 2^ln, r and p (RFC 7914). */
export interface Derivation {
  password: string
  salt: Uint8Array
  length: number
  ln: number
  r: number
  p: number
}

interface Job {
  derivation: Derivation
  resolve: (key: Buffer) => void
  reject: (error: Error) => void
}

/** Threads of their own, so that libuv's pool stays free for zlib and the file system. */
const most = Math.min(4, availableParallelism())
/** How many wait in line; those beyond come back later. */
const longestLine = 50
const secondsUntilRetry = 5

/** Gives a thread that has nothing to do its next job. */
type Thread = (job: Job) => void

const idle: Thread[] = []
const line: Job[] = []
let threads = 0

/**
 * Derives a key with scrypt on a thread of low priority, made on first need.
 * @throws Unavailable when too many wait already
 */
export async function deriveKey(derivation: Derivation): Promise<Buffer> {
  if (line.length >= longestLine)
    throw new Unavailable('too many sign-ins at once', secondsUntilRetry)
  return new Promise((resolve, reject) => {
    line.push({ derivation, resolve, reject })
    work()
  })
}

function work(): void {
  if (line.length === 0) return
  const thread = idle.pop() ?? (threads < most ? startThread() : undefined)
  thread?.(line.shift()!)
}

function startThread(): Thread {
  // What the process preloads (telemetry) is not for a worker.
  const options = { execArgv: [] }
  const worker = new Worker(new URL('./scrypt-worker.ts', import.meta.url), options)
  let current: Job | undefined
  const start: Thread = (job) => {
    current = job
    worker.ref()
    worker.postMessage(job.derivation)
  }
  worker.on('message', (key: Uint8Array) => {
    // An idle thread does not keep the process alive.
    worker.unref()
    current?.resolve(Buffer.from(key))
    idle.push(start)
    work()
  })
  worker.on('error', (error: Error) => {
    threads--
    current?.reject(error)
    work()
  })
  threads++
  return start
}
