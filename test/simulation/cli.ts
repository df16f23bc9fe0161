import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { readOptions } from '../support/options.ts'
import { mutants, revealing } from './mutants.ts'
import { planOf } from './plan.ts'
import { type Found, run, search, type Totals } from './search.ts'
import { shrink, tableOf, withoutIdle } from './shrink.ts'
import { smallWorlds, walk } from './walk.ts'

const usage = `usage: npm run simulate -- [options]

Runs the cache's protocol in simulated worlds, in which one seed decides everything, and judges every
read. A world that breaks the promise is made small and printed as a table.

  --seconds N     how long (default 60)
  --histories N   how many at most
  --seed N        the first seed (default: a random one)
  --steps N       steps of a history (default 500)
  --instances N   how many; without it each seed chooses 1 to 3
  --show          print the whole history of the first seed
  --walk          walk through every interleaving of the small worlds instead, with --mutant too
  --mutants       run every broken build instead, until it is caught or the time is up
  --mutant NAME   run one broken build

Ctrl-C ends the search and prints what was seen until then.
Exit code: 0 the promise was kept (with --mutants: every one caught), 1 otherwise.`

function parse() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      histories: { type: 'string' },
      seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000_000)) },
      steps: { type: 'string', default: '500' },
      instances: { type: 'string' },
      show: { type: 'boolean', default: false },
      walk: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const numberOf = (name: 'seconds' | 'histories' | 'seed' | 'steps' | 'instances') => {
    const number = Number(values[name])
    if (!(number > 0)) throw new Error(`--${name} takes a number above 0`)
    return number
  }
  const { mutant } = values
  if (mutant !== undefined && !(mutant in mutants)) {
    throw new Error(`--mutant takes one of\n  ${Object.keys(mutants).join('\n  ')}`)
  }
  return {
    ...values,
    seconds: numberOf('seconds'),
    seed: numberOf('seed'),
    steps: numberOf('steps'),
    histories: values.histories === undefined ? Infinity : numberOf('histories'),
    instances: values.instances === undefined ? undefined : numberOf('instances'),
  }
}

type Options = ReturnType<typeof parse>

const summary = (totals: Totals): string => {
  const { histories, steps, reads, hits, writes, seconds, simulated, exceptions } = totals
  const rate = Math.round((histories / seconds) * 60)
  const excused = Object.entries(exceptions).map(
    ([name, { reads, seed }]) => `\n  ${name}: ${reads} reads, first in seed ${seed}`,
  )
  return [
    `${histories} histories (${rate} a minute), ${steps} steps, ${(simulated / 3_600_000).toFixed(1)} h simulated`,
    `${reads} reads (${hits} hits), ${writes} writes`,
    `stale by a stated exception: ${excused.join('') || 'none'}`,
  ].join('\n')
}

async function report({ plan, outcome }: Found, steps: number): Promise<void> {
  console.log(`seed ${plan.seed}, step ${outcome.steps}: ${outcome.violations[0]!.text}`)
  const small = await shrink(plan, steps)
  const { lines } = await run(small, steps, true)
  const kinds = small.operations.length
  console.log(`\nmade small: ${kinds} of ${plan.operations.length} operations\n`)
  console.log(tableOf(withoutIdle(lines)))
}

/** Whether the promise was kept in every interleaving; ends with the first in which it was not. */
async function walkAll(): Promise<boolean> {
  for (const world of smallWorlds()) {
    const { histories, failing } = await walk(world)
    console.log(`${world.name}: ${histories} histories${failing ? ', the last one FAILS' : ''}`)
    if (failing === undefined) continue
    console.log(failing.outcome.violations[0]!.text)
    console.log(`who went on: ${failing.choices.join(', ')}`)
    return false
  }
  return true
}

async function show({ seed, steps, ...options }: Options): Promise<boolean> {
  const { lines, violations } = await run(planOf(seed, { steps, ...options }), steps, true)
  console.log(tableOf(lines))
  return violations.length === 0
}

/** Whether the promise was kept. */
async function runSeeds(options: Options): Promise<boolean> {
  const onProgress = ({ histories, steps }: Totals) =>
    process.stderr.write(`\r${histories} histories, ${steps} steps   `)
  const interrupt = new AbortController()
  // A second one ends the process.
  process.once('SIGINT', () => interrupt.abort())
  const { totals, found } = await search({ ...options, onProgress, signal: interrupt.signal })
  process.stderr.write('\n')
  console.log(`seeds from ${options.seed}\n${summary(totals)}`)
  if (found !== undefined) await report(found, options.steps)
  return found === undefined
}

/** A broken build runs in a process of its own, in which the product's modules are replaced. */
async function catches(name: string, { seconds, seed, steps, walk }: Options): Promise<boolean> {
  const given = ['--seconds', seconds, '--seed', seed, '--steps', steps, '--mutant', name]
  if (walk) given.push('--walk')
  const preload = new URL('preload.ts', import.meta.url).href
  const args = [`--import=${preload}`, import.meta.filename, ...given.map(String)]
  const env = { ...process.env, MUTANT: name }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number]
  return code === 0
}

/** In the process of a broken build: whether it was caught. */
async function runMutant(name: string, options: Options): Promise<boolean> {
  if (options.walk) return !(await walkAll())
  const { totals, found } = await search({ ...options, faults: revealing[name] })
  const { histories, steps, seconds } = totals
  const effort = `${steps} steps, ${histories} histories, ${seconds.toFixed(1)} s`
  const result = found ? `caught after ${effort}, seed ${found.plan.seed}` : `NOT caught: ${effort}`
  console.log(`${name}: ${result}`)
  if (found !== undefined && options.show) await report(found, options.steps)
  return found !== undefined
}

async function main(options: Options): Promise<boolean> {
  if (options.mutant !== undefined && process.env.MUTANT === options.mutant) {
    return runMutant(options.mutant, options)
  }
  if (options.mutant !== undefined) return catches(options.mutant, options)
  if (options.walk) return walkAll()
  if (options.show) return show(options)
  if (!options.mutants) return runSeeds(options)
  let all = true
  for (const name of Object.keys(mutants)) all = (await catches(name, options)) && all
  return all
}

const options = readOptions('simulate', usage, parse)
if (options.help) console.log(usage)
else if (!(await main(options))) process.exitCode = 1
