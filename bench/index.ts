import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { readOptions } from '../test/support/options.ts'
import type { Bench, Figure } from './bench.ts'
import big from './big.ts'
import bigMssql from './big-mssql.ts'
import cachedList from './cached-list.ts'
import cachedPage from './cached-page.ts'
import firstList from './first-list.ts'
import firstListMssql from './first-list-mssql.ts'
import importing from './import.ts'
import { connections, findLoadTool } from './load.ts'
import redisFresh from './redis-fresh.ts'
import redisPage from './redis-page.ts'
import redisPaused from './redis-paused.ts'
import redisWrite from './redis-write.ts'
import search from './search.ts'
import start from './start.ts'
import telemetry from './telemetry.ts'

const benches: Bench[] = [
  cachedPage,
  cachedList,
  firstList,
  firstListMssql,
  big,
  bigMssql,
  importing,
  search,
  start,
  telemetry,
  redisPage,
  redisWrite,
  redisFresh,
  redisPaused,
]

const usage = `usage: npm run bench -- [options]

  --only NAME     run only this bench (repeatable): ${benches.map(({ name }) => name).join(', ')}
  --seconds N     seconds of load per server and round (default 1)
  --rounds N      number of rounds (default 15)`

function parse() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      seconds: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '15' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const unknown = values.only.find((name) => !benches.some((bench) => bench.name === name))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: no such bench`)
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
  if (!(seconds >= 1) || !(rounds >= 1)) throw new Error('--seconds and --rounds take 1 or more')
  return { ...values, seconds, rounds }
}

const options = readOptions('bench', usage, parse)
if (options.help) console.log(usage)
else await runAll(options)

async function runAll({ only, seconds, rounds }: ReturnType<typeof parse>) {
  const { tool } = await findLoadTool()
  const [cpu] = cpus()
  console.log(
    `node ${process.version}, ${cpus().length} x ${cpu?.model.trim()}, ${tool}, ` +
      `${connections} connections, ${rounds} rounds of ${seconds} s`,
  )
  const figures: Figure[] = []
  for (const { name, title, run } of benches) {
    if (only.length > 0 && !only.includes(name)) continue
    console.log(`\n${name}: ${title} (load ${loadavg()[0]!.toFixed(1)})`)
    const log = (progress: string) => console.log(`  ${progress}`)
    try {
      figures.push(...(await run({ seconds, rounds, log })))
    } catch (error) {
      console.error(error)
      figures.push({ what: name, measured: 'failed', met: false })
    }
  }
  console.log(`\n${table(figures)}`)
}

function table(figures: Figure[]): string {
  const rows = figures.map(({ what, measured, goal = '', met }) => [
    what,
    measured,
    goal,
    met === undefined ? '' : met ? 'yes' : 'NO',
  ])
  const lines = [['what', 'measured', 'goal', 'met'], ...rows]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  )
  const formatRow = (line: string[]) =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [formatRow(lines[0]!), rule, ...rows.map(formatRow)].join('\n')
}
