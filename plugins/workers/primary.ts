import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, openCalls } from './calls.ts'
import { createCounts } from './counts.ts'
import type { PrimaryLog } from './log.ts'

/** In the place of an answer. */
const gone = Symbol('gone')

/** Milliseconds after which a start counts as good; the first and the longest wait before a replacement. */
const settledAfter = 10_000
const wait = { first: 100, longest: 5000 }
/** Milliseconds within which a signal to all processes has reached each. */
const signalSpread = 50
/** How many replacements in a row may end before they have settled. */
const maxFailures = 5

export interface PrimaryOptions {
  count: number
  port: number
  log: PrimaryLog
  /** Called when workers end again and again, or the first did not start (which has said why). */
  onGiveUp: () => void
}

/**
 * Starts `count` workers, the first alone: what is wrong with the settings is said once. One that ends is
 * replaced. Each has a listening socket of its own on the port (SO_REUSEPORT), so no connection and no
 * request comes by here: the primary counts what is limited, and gathers what one worker asks of all.
 */
export function startWorkers({ count, port, log, onGiveUp }: PrimaryOptions) {
  const addToCount = createCounts()
  const running = new Set<Worker>()
  const listening = new Map<Worker, Call>()
  let failures = 0
  let serving = false
  let closing = false
  let stopped: Promise<unknown> | undefined
  cluster.setupPrimary({ serialization: 'advanced' })

  async function ask(question: string, argument: unknown): Promise<unknown[]> {
    const answers = await Promise.all(
      Array.from(listening, ([worker, call]) =>
        call(question, argument).catch((error) => {
          if (worker.isConnected()) throw error
          return gone
        }),
      ),
    )
    return answers.filter((answer) => answer !== gone)
  }

  function start(): void {
    if (closing) return
    const started = performance.now()
    const worker = cluster.fork({ PORT: String(port), WORKERS: String(count) })
    running.add(worker)
    const call = openCalls(worker, (name, argument) => {
      if (name === 'count') {
        const { key, window, by } = argument as { key: string; window: number; by: number }
        return addToCount(key, window, by)
      }
      if (name === 'ask') {
        const { question, argument: passed } = argument as { question: string; argument: unknown }
        return ask(question, passed)
      }
      if (name === 'hasOthers') return listening.size > 0
      if (name === 'stopped') return allStopped()
      listening.set(worker, call)
      if (!serving) for (let n = 1; n < count; n += 1) start()
      serving = true
      return undefined
    })
    worker.once('disconnect', () => listening.delete(worker))
    worker.once('exit', (code: number | null, signal: string | null) => {
      running.delete(worker)
      if (!closing) replace(worker, performance.now() - started, signal ?? `code ${code}`)
    })
  }

  /** A terminal signals all processes, in any order: this one may be told a moment later. */
  async function allStopped(): Promise<void> {
    await sleep(signalSpread)
    await stopped
  }

  function replace({ process: { pid } }: Worker, lived: number, how: string): void {
    failures = lived < settledAfter ? failures + 1 : 0
    if (!serving || failures > maxFailures) {
      if (serving) log.fatal(`worker ${pid} ended (${how}), as ${maxFailures} before it: giving up`)
      onGiveUp()
      return
    }
    const ms = failures === 0 ? 0 : Math.min(wait.longest, wait.first * 2 ** (failures - 1))
    log.error(`worker ${pid} ended (${how}): another is started in ${ms} ms`)
    setTimeout(start, ms)
  }

  /** Ends what still runs. */
  function kill(): void {
    for (const { process } of running) process.kill('SIGKILL')
  }

  /**
   * Has all workers stop listening, then passes SIGTERM on and waits, for at most `limit` milliseconds. True:
   * each worker ended as it should.
   */
  async function close(limit: number): Promise<boolean> {
    closing = true
    stopped = ask('stopListening', undefined).catch(() => {})
    await stopped
    const ends = Array.from(running, async (worker) => {
      const wasListening = listening.has(worker)
      worker.process.kill('SIGTERM')
      const [code] = await once(worker, 'exit')
      return code === 0 || !wasListening
    })
    setTimeout(kill, limit).unref()
    return (await Promise.all(ends)).every(Boolean)
  }

  start()
  return { close, kill }
}
