import { setImmediate as turn } from 'node:timers/promises'
import type { Exception } from './exceptions.ts'
import { type Plan, type PlanOptions, planOf } from './plan.ts'
import { type Outcome, simulate } from './simulate.ts'

export interface SearchOptions extends PlanOptions {
  /** The first seed; the others follow it. */
  seed: number
  /** How many histories at most, and how long. */
  histories?: number
  seconds?: number
  onProgress?: (totals: Totals) => void
  /** Ends the search after the history that runs. */
  signal?: AbortSignal
}

export interface Totals {
  histories: number
  steps: number
  reads: number
  hits: number
  writes: number
  /** Milliseconds of simulated time. */
  simulated: number
  seconds: number
  /** How many reads were stale by each, and the first seed with one. */
  exceptions: Partial<Record<Exception, { reads: number; seed: number }>>
}

export interface Found {
  plan: Plan
  outcome: Outcome
}

/** Steps that a history may take beyond those it was planned for: timers and retries take some. */
const margin = 2

export const run = (plan: Plan, steps: number, trace = false): Promise<Outcome> =>
  simulate(plan, { maxSteps: steps * margin, trace })

/** Runs one history after another until one breaks the promise, the time is up or it is aborted. */
export async function search(options: SearchOptions): Promise<{ totals: Totals; found?: Found }> {
  const { seed, histories = Infinity, seconds = Infinity, steps, onProgress, signal } = options
  const started = performance.now()
  const totals: Totals = {
    ...{ histories: 0, steps: 0, reads: 0, hits: 0, writes: 0, simulated: 0, seconds: 0 },
    exceptions: {},
  }
  for (let next = seed; next < seed + histories && totals.seconds < seconds; next += 1) {
    const plan = planOf(next, options)
    const outcome = await run(plan, steps).catch((cause) => {
      throw new Error(`seed ${next}: the simulation itself failed`, { cause })
    })
    totals.histories += 1
    for (const name of ['steps', 'reads', 'hits', 'writes', 'simulated'] as const) {
      totals[name] += outcome[name]
    }
    for (const [name, count] of outcome.exceptions) {
      const { reads, seed } = totals.exceptions[name] ?? { reads: 0, seed: next }
      totals.exceptions[name] = { reads: reads + count, seed }
    }
    totals.seconds = (performance.now() - started) / 1000
    if (totals.histories % 100 === 0) onProgress?.(totals)
    if (outcome.violations.length > 0) return { totals, found: { plan, outcome } }
    // A history leaves the event loop no turn, in which a process learns of a signal.
    await turn()
    if (signal?.aborted) break
  }
  return { totals }
}
