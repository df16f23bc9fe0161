/** One figure of a bench, and whether it is good enough; no goal, and it only informs. */
export interface Figure {
  what: string
  measured: string
  goal?: string
  met?: boolean
}

export interface BenchOptions {
  /** How long one server is loaded in one round. */
  seconds: number
  /** How often servers take turns; figures are medians over the rounds. */
  rounds: number
  say: (progress: string) => void
}

/** A comparison within one run: the figures are ratios, so that they hold on other machines. */
export interface Bench {
  name: string
  title: string
  run: (options: BenchOptions) => Promise<Figure[]>
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle]!
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of the faster half: what else the machine does only ever adds time. */
export const undisturbed = (times: number[]) =>
  median(times.toSorted((a, b) => a - b).slice(0, Math.ceil(times.length / 2)))

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** A figure that has to reach `goal`. */
export const atLeast = (what: string, value: number, goal: number, unit = ''): Figure => ({
  what,
  measured: shown(value, unit),
  goal: `>= ${shown(goal, unit)}`,
  met: value >= goal,
})

/** A figure that has to stay under `goal`. */
export const atMost = (what: string, value: number, goal: number, unit = ''): Figure => ({
  what,
  measured: shown(value, unit),
  goal: `<= ${shown(goal, unit)}`,
  met: value <= goal,
})

export const shown = (value: number, unit = '') =>
  (value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toFixed(2)))) +
  (unit === '' ? '' : ` ${unit}`)
