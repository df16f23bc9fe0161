import { parseArgs } from 'node:util'
import { readOptions } from '../support/options.ts'
import { mutants } from './mutants.ts'
import { check, timeline } from './run.ts'
import { catalogue, books as secondApplication } from './subject.ts'

const usage = `usage: npm run check:coherence -- [options]

Runs several instances on one database and one Redis under random reads, writes and faults, and checks
that no read was stale.

  --minutes N     how long (default 1)
  --instances N   how many (default 3)
  --no-faults     reads and writes only
  --mutants       run every broken build instead, until it is caught or the time is up
  --mutant NAME   run one broken build
  --books         the second application of the cache, instead of the service

Exit code: 0 no stale read (with --mutants: every one caught), 1 otherwise.`

function parse() {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      minutes: { type: 'string', default: '1' },
      instances: { type: 'string', default: '3' },
      faults: { type: 'boolean', default: true },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      books: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { mutant } = values
  if (mutant !== undefined && !(mutant in mutants)) {
    throw new Error(`--mutant takes one of\n  ${Object.keys(mutants).join('\n  ')}`)
  }
  const [minutes, instances] = [Number(values.minutes), Number(values.instances)]
  if (!(minutes > 0)) throw new Error('--minutes takes a number above 0')
  if (!(instances >= 1)) throw new Error('--instances takes 1 and more')
  return { ...values, minutes, instances }
}

type Options = ReturnType<typeof parse>

/** Whether a stale read was found. */
async function run(
  { minutes, instances, faults, books }: Options,
  mutant?: string,
): Promise<boolean> {
  const teardowns: (() => unknown)[] = []
  const scope = { teardown: (fn: () => unknown) => void teardowns.unshift(fn) }
  try {
    const result = await check(scope as never, {
      seconds: minutes * 60,
      instances,
      faults,
      mutant,
      subject: books ? secondApplication : catalogue,
      untilCaught: mutant !== undefined,
      onProgress: (line) => process.stderr.write(`\r${line}      `),
    })
    const { violations, statuses, faults: done, ...figures } = result
    process.stderr.write('\n')
    console.log(mutant ?? 'the service', figures, statuses, done)
    console.log(`${violations.length} stale reads`)
    for (const line of violations.slice(0, 10)) console.log(line)
    if (violations.length > 0) console.log(timeline.join('\n'))
    return violations.length > 0
  } finally {
    for (const teardown of teardowns) await teardown()
  }
}

/** Whether everything is as it should be. */
async function runAll(options: Options): Promise<boolean> {
  if (!options.mutants && options.mutant === undefined) return !(await run(options))
  const names = options.mutant === undefined ? Object.keys(mutants) : [options.mutant]
  let caught = true
  for (const name of names) caught = (await run(options, name)) && caught
  return caught
}

const options = readOptions('check:coherence', usage, parse)
if (options.help) console.log(usage)
else if (!(await runAll(options))) process.exitCode = 1
