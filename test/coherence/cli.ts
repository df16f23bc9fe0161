import { parseArgs } from 'node:util'
import { mutants } from './mutants.ts'
import { check, timeline } from './run.ts'

const usage = `usage: npm run check:coherence -- [options]

Runs several instances on one database and one Redis under random reads, writes and faults, and checks
that no read was stale.

  --minutes N     how long (default 1)
  --instances N   how many (default 3)
  --no-faults     reads and writes only
  --mutants       run every broken build instead, until it is caught or the time is up
  --mutant NAME   run one broken build

Exit code: 0 no stale read (with --mutants: every one caught), 1 otherwise.`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    minutes: { type: 'string', default: '1' },
    instances: { type: 'string', default: '3' },
    faults: { type: 'boolean', default: true },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

async function run(mutant?: string): Promise<boolean> {
  const teardowns: (() => unknown)[] = []
  const scope = { teardown: (fn: () => unknown) => void teardowns.unshift(fn) }
  try {
    const result = await check(scope as never, {
      seconds: Number(values.minutes) * 60,
      instances: Number(values.instances),
      faults: values.faults,
      mutant,
      untilCaught: mutant !== undefined,
      onProgress: (line) => process.stderr.write(`\r${line}      `),
    })
    const { violations, statuses, faults, ...figures } = result
    process.stderr.write('\n')
    console.log(mutant ?? 'the service', figures, statuses, faults)
    console.log(`${violations.length} stale reads`)
    for (const line of violations.slice(0, 10)) console.log(line)
    if (violations.length > 0) console.log(timeline.join('\n'))
    return violations.length > 0
  } finally {
    for (const teardown of teardowns) await teardown()
  }
}

if (values.help) console.log(usage)
else if (values.mutants || values.mutant) {
  for (const name of values.mutant ? [values.mutant] : Object.keys(mutants)) {
    if (!(await run(name))) process.exitCode = 1
  }
} else if (await run()) process.exitCode = 1
