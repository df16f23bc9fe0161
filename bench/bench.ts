/** One measured figure. Without a goal it is informative only. */
export interface Figure {
  what: string
  measured: string
  goal?: string
  met?: boolean
}

export interface BenchOptions {
  /** Seconds that each server is loaded per round. */
  seconds: number
  /** Number of rounds; figures are medians over them. */
  rounds: number
  log: (progress: string) => void
}

/** A benchmark. Its figures are ratios measured in one run, so that they hold on other machines. */
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

/** The median of the faster half, since other load on the machine only adds time. */
export const medianOfFasterHalf = (times: number[]) =>
  median(times.toSorted((a, b) => a - b).slice(0, Math.ceil(times.length / 2)))

/** Runs `work` and returns its duration in milliseconds. */
export async function timed(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** A figure whose goal is a minimum. */
export const atLeast = (what: string, value: number, goal: number, unit = ''): Figure => ({
  what,
  measured: formatValue(value, unit),
  goal: `>= ${formatValue(goal, unit)}`,
  met: value >= goal,
})

/** A figure whose goal is a maximum. */
export const atMost = (what: string, value: number, goal: number, unit = ''): Figure => ({
  what,
  measured: formatValue(value, unit),
  goal: `<= ${formatValue(goal, unit)}`,
  met: value <= goal,
})

export const formatValue = (value: number, unit = '') =>
  (value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toFixed(2)))) +
  (unit === '' ? '' : ` ${unit}`)
