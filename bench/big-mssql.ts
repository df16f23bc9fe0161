import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../db/database.ts'
import { generateCsv } from '../db/import/generate.ts'
import { importCatalogue } from '../db/import/import.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'
import { freshDatabase, mssqlTestUrl } from '../test/support/mssql.ts'
import { atMost, type Bench, type Figure, formatValue, timed } from './bench.ts'
import { drain, hitFigures, hitsDuring, p99, slow, urlOf } from './big.ts'
import { inTemporaryFolder, memoryOf, type Started, startService } from './processes.ts'

const titles = 200_000

/** Milliseconds after which the service has told of a second. */
const lastSecond = 1100

/** Requests that the cache cannot answer. */
const requests = [
  '',
  '?sort=-score,title',
  '?limit=20&sort=-score',
  '?q=golden+garden&limit=20',
  '/stats',
]

/** Milliseconds: the event loop's longest delay while `work` runs, as the service itself tells. */
async function delayDuring({ base }: Started, work: () => Promise<unknown>): Promise<number> {
  let most = 0
  let running = true
  const watch = async () => {
    const answer = await fetch(`${base}/monitor/data`)
    const { eventLoop } = (await answer.json()) as { eventLoop: { max: number } }
    most = Math.max(most, eventLoop.max)
  }
  // It tells of the last full second: what was before is over, and what ends now is in the next.
  await sleep(lastSecond)
  const working = work().finally(() => {
    running = false
  })
  for (; running; await sleep(400)) await watch()
  await sleep(lastSecond)
  await watch()
  await working
  return most
}

/** The most resident memory of the service while `work` runs, in MiB. */
async function memoryDuring({ child }: Started, work: () => Promise<unknown>): Promise<number> {
  let most = memoryOf(child).resident
  const timer = setInterval(() => {
    most = Math.max(most, memoryOf(child).resident)
  }, 20)
  await work().finally(() => clearInterval(timer))
  return most
}

async function misses(service: Started, idle: number, log: (progress: string) => void) {
  const figures: Figure[] = []
  for (const path of requests) {
    let [took, memory, delay] = [0, 0, 0]
    const ask = async () => {
      took = await timed(() => drain(service.base + urlOf(path)))
    }
    const watched = async () => {
      memory = await memoryDuring(service, ask)
    }
    const times = await hitsDuring(service.base, async () => {
      delay = await delayDuring(service, watched)
    })
    const name = path === '' ? 'the whole list' : path
    log(`${name}: ${formatValue(took, 'ms')}, p99 of hits ${formatValue(p99(times), 'ms')}`)
    figures.push(
      { what: `SQL Server, ${name}`, measured: formatValue(took, 'ms') },
      atMost(`${name}: delay of the event loop`, delay, 50, 'ms'),
      atMost(`${name}: memory over idle`, memory - idle, 100, 'MiB'),
      ...hitFigures(name, times),
    )
  }
  return figures
}

export default {
  name: 'big-mssql',
  title: `${titles} titles in SQL Server: what misses take, and what hits notice of them`,
  run: ({ log }) =>
    inTemporaryFolder(async (folder) => {
      if (mssqlTestUrl === undefined) {
        log('skipped: MSSQL_TEST_URL is not set')
        return []
      }
      const teardowns: (() => unknown)[] = []
      const figures: Figure[] = []
      try {
        const DATABASE_URL = await freshDatabase({ teardown: (fn) => void teardowns.unshift(fn) })
        const database = await openDatabase(DATABASE_URL)
        await migrate(database)
        await database.close()
        const took = await timed(() =>
          importCatalogue(generateCsv(titles), openStage(DATABASE_URL)),
        )
        log(`imported in ${formatValue(took, 'ms')}`)
        for (const measure of [misses, slow]) {
          const env = { DATABASE_URL, JWT_SECRET: 'x'.repeat(32), RATE_LIMIT_MAX: '10000000' }
          const service = await startService(folder, env)
          try {
            await sleep(3000)
            figures.push(...(await measure(service, memoryOf(service.child).resident, log)))
          } finally {
            await service.stop()
          }
        }
      } finally {
        for (const teardown of teardowns) await teardown()
      }
      return figures
    }),
} satisfies Bench
