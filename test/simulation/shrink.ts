import type { Plan } from './plan.ts'
import { run } from './search.ts'
import type { TraceLine } from './world.ts'

/** How many smaller histories are tried. */
const maxTries = 1500

const breaks = async (plan: Plan, steps: number) => (await run(plan, steps)).violations.length > 0

/**
 * Makes a plan that breaks the promise smaller, for as long as it does: fewer operations, fewer instances,
 * even latencies. What is left is what it takes.
 */
export async function shrink(
  plan: Plan,
  steps: number,
  fails: (plan: Plan, steps: number) => Promise<boolean> = breaks,
): Promise<Plan> {
  let smallest = plan
  let tries = 0
  const attempt = async (smaller: Plan): Promise<boolean> => {
    tries += 1
    if (tries > maxTries || !(await fails(smaller, steps))) return false
    smallest = smaller
    return true
  }
  for (const name of ['latency', 'databaseLatency'] as const) {
    await attempt({ ...smallest, [name]: { ...smallest[name], slow: 0 } })
    await attempt({ ...smallest, [name]: { ...smallest[name], mean: 0.2 } })
  }
  for (let before = Infinity; smallest.operations.length < before && tries < maxTries; ) {
    before = smallest.operations.length
    for (let size = Math.ceil(before / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < smallest.operations.length; ) {
        const operations = smallest.operations.toSpliced(from, size)
        if (!(await attempt({ ...smallest, operations }))) from += size
      }
    }
  }
  for (let instances = 1; instances < smallest.instances; instances += 1) {
    const operations = smallest.operations.filter(({ instance }) => instance < instances)
    if (await attempt({ ...smallest, instances, operations })) break
  }
  return smallest
}

const columns = { time: 9, who: 9, what: 130 }

/** A history as a table: who did what when. */
export function tableOf(lines: TraceLine[]): string {
  const rows = lines.map(({ time, who, what }) => {
    const short = what.length > columns.what ? `${what.slice(0, columns.what - 1)}…` : what
    return `${time.toFixed(1).padStart(columns.time)}  ${who.padEnd(columns.who)}  ${short}`
  })
  const head = `${'ms'.padStart(columns.time)}  ${'who'.padEnd(columns.who)}  what`
  return [head, ...rows].join('\n')
}

/** The lines of a history that matter to a reader: no idle rounds of timers. */
export const withoutIdle = (lines: TraceLine[]): TraceLine[] =>
  lines.filter(
    ({ what }) => !/^(INFO|server) |^read the outbox -> \[\]|name of the data set/.test(what),
  )
