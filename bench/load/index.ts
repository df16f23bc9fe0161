import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readOptions } from '../../test/support/options.ts'
import { type Level, loadMixed } from './mixed.ts'
import { duration, renderReport } from './report.ts'
import { playScenario, type Step } from './scenario.ts'
import { findTarget } from './target.ts'

const usage = `usage: npm run load -- [options]

Repeats the original's measurements one request at a time, then applies a mixed load at several levels, and
writes load-report.html. Without --url it starts a service on a new database (with REDIS_URL of the
environment, if set).

  --url URL             load this service
  --admin EMAIL         an admin of that service, for the inserts. Inserted titles are removed afterwards;
  --password PASSWORD   a user load-...@example.com and an emptied cache remain. Or set LOAD_PASSWORD
  --connections LIST    connections of each level (default 1,10,50)
  --seconds N           seconds per level (default 8)
  --max-failures N      stop when more than N percent fail (default 5)
  --report FILE         file to write (default load-report.html)`

function parse() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      admin: { type: 'string' },
      password: { type: 'string', default: process.env.LOAD_PASSWORD },
      connections: { type: 'string', default: '1,10,50' },
      seconds: { type: 'string', default: '8' },
      'max-failures': { type: 'string', default: '5' },
      report: { type: 'string', default: 'load-report.html' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const levels = values.connections.split(',').map(Number)
  const [seconds, maxFailures] = [Number(values.seconds), Number(values['max-failures']) / 100]
  if (!levels.every((level) => Number.isInteger(level) && level > 0)) {
    throw new Error('--connections takes whole numbers above 0, separated by commas')
  }
  if (!(seconds >= 1)) throw new Error('--seconds takes 1 or more')
  if (!(maxFailures >= 0)) throw new Error('--max-failures takes 0 or more')
  if (values.admin !== undefined && values.password === undefined) {
    throw new Error('--admin needs --password, or LOAD_PASSWORD')
  }
  return { ...values, levels, seconds, maxFailures }
}

const options = readOptions('load', usage, parse)
if (options.help) console.log(usage)
else {
  await run(options).catch((error) => {
    console.error((error as Error).message)
    process.exitCode = 1
  })
}

async function run({ levels, seconds, maxFailures, ...values }: ReturnType<typeof parse>) {
  const target = await findTarget(values)
  const startedAt = new Date()
  try {
    console.log(`loading ${target.url}`)
    if (target.admin === undefined) console.log('no admin: the inserts are left out')
    const steps = await playScenario(target, (step) => console.log(`  ${describeStep(step)}`))
    const results = await loadMixed(
      target,
      { levels, seconds, maxFailures },
      (connections, second) => {
        const failures = second.failures === 0 ? '' : `, ${second.failures} FAILED`
        const rate = second.answers.toLocaleString('en')
        const level = connections === 1 ? '1 connection' : `${connections} connections`
        console.log(`  ${level}, second ${second.at + 1}: ${rate} answers${failures}`)
      },
    )
    console.log(`\n${tableOf(results)}`)
    const page = renderReport({
      url: values.url ?? 'a service started by the load test',
      startedAt,
      steps,
      results,
    })
    writeFileSync(values.report, page)
    console.log(`\nreport: ${values.report}`)
    if (results.at(-1)?.stopped) {
      console.error(`stopped: more than ${values['max-failures']} % failed`)
      process.exitCode = 1
    }
  } finally {
    await target.close()
  }
}

function describeStep({ title, milliseconds, status, cache, original }: Step): string {
  const comparison = original === undefined ? '' : ` (the original: ${original} s)`
  return `${title}: ${duration(milliseconds)}, ${status} ${cache}${comparison}`
}

function tableOf(levels: Level[]): string {
  const rows = levels.map(({ connections, rate, p50, p95, p99, hitRatio, failures }) => [
    String(connections),
    Math.round(rate).toLocaleString('en'),
    ...[p50, p95, p99].map(duration),
    Number.isNaN(hitRatio) ? '' : `${(100 * hitRatio).toFixed(1)} %`,
    String(failures),
  ])
  const lines = [['connections', 'requests/s', 'p50', 'p95', 'p99', 'hits', 'failures'], ...rows]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((row) => row[column]!.length)))
  return lines
    .map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  '))
    .join('\n')
}
