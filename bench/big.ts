import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../db/database.ts'
import { generateCsv } from '../db/import/generate.ts'
import { importCatalogue } from '../db/import/import.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'
import { atMost, type Bench, type Figure, formatValue, median, timed } from './bench.ts'
import { startBare } from './compare.ts'
import {
  inTemporaryFolder,
  memoryOf,
  root,
  type Started,
  start,
  startService,
} from './processes.ts'

const titles = 2_000_000

/** Requests that the cache cannot answer, and the most milliseconds that each may take. */
const requests: [path: string, goal: number | undefined][] = [
  ['?limit=20&sort=-score', 300],
  ['?q=golden+garden&limit=20', 50],
  ['?q=s+a&limit=20&sort=-score', undefined],
  ['?genre=Action&genre=Drama&sort=-score,title&limit=20', 300],
  ['?genre=Action&genre=Drama&sort=title&limit=20', 20],
  ['?minScore=5&maxScore=9&sort=episodes&limit=20', 300],
  ['?minScore=5&maxScore=9&sort=-year&limit=20', 20],
  ['/stats', 500],
  ['?type=MUSIC', undefined],
  ['', undefined],
]
/** What is asked for meanwhile. */
const page = '/v1/animes?limit=20'
const slowReaders = 50
const distinctMisses = 2000

/** A catalogue of two million in a folder that stays, so that it is made once. */
async function catalogue(log: (progress: string) => void): Promise<string> {
  const folder = join(tmpdir(), `anime-bench-big-${titles}`)
  const path = join(folder, '.data/anime.db')
  const url = `sqlite:${existsSync(path) ? path : `${path}.new`}`
  mkdirSync(join(folder, '.data'), { recursive: true })
  const database = await openDatabase(url)
  await migrate(database)
  if (!existsSync(path)) {
    log(`making ${titles} titles in ${folder}`)
    await importCatalogue(generateCsv(titles), openStage(url))
  }
  await database.close()
  if (!existsSync(path)) renameSync(`${path}.new`, path)
  return folder
}

export const urlOf = (path: string) => (path.startsWith('/') ? `/v1${path}` : `/v1/animes${path}`)

/** Reads an answer without keeping it; gives its status. */
export async function drain(url: string, headers: Record<string, string> = {}): Promise<number> {
  const answer = await fetch(url, { headers })
  for await (const _piece of answer.body!) {
    // Read and forgotten.
  }
  return answer.status
}

/** Milliseconds of each cached page, asked every 5 ms while `work` runs; in order of size. */
export async function hitsDuring(base: string, work: () => Promise<unknown>): Promise<number[]> {
  const args = [join(root, 'bench/hit-probe.ts'), base + page]
  const probe = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: probe.stdout })[Symbol.asyncIterator]()
  await lines.next()
  await work().finally(() => probe.stdin.end())
  const { value } = await lines.next()
  return (JSON.parse(value as string) as number[]).sort((a, b) => a - b)
}

export const p99 = (sorted: number[]) => sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0

export function hitFigures(what: string, times: number[]): Figure[] {
  return [
    atMost(`${what}: worst hit meanwhile`, times.at(-1) ?? 0, 50, 'ms'),
    atMost(`${what}: p99 of hits`, p99(times), 10, 'ms'),
  ]
}

async function each({ base }: Started, log: (progress: string) => void): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [path, goal] of requests) {
    let took = 0
    const times = await hitsDuring(base, async () => {
      took = await timed(() => drain(base + urlOf(path)))
    })
    const name = path === '' ? 'the whole list' : path
    log(
      `${name}: ${formatValue(took, 'ms')}, worst hit ${formatValue(times.at(-1) ?? 0, 'ms')}, ` +
        `p99 ${formatValue(p99(times), 'ms')}`,
    )
    figures.push(
      goal === undefined
        ? { what: name, measured: formatValue(took, 'ms') }
        : atMost(name, took, goal, 'ms'),
      ...hitFigures(name, times),
    )
  }
  return figures
}

/** One to four words of titles, the last one cut somewhere: what somebody has typed. */
async function typed(base: string): Promise<string[]> {
  const texts: string[] = []
  for (let year = 1985; year < 2005; year += 1) {
    const answer = await fetch(`${base}/v1/animes?year=${year}&sort=-score&limit=10&fields=title`)
    const { data } = (await answer.json()) as { data: { title: string }[] }
    for (const { title } of data) {
      const words = title.split(' ').slice(0, 1 + (texts.length % 4))
      const last = words.at(-1)!
      texts.push([...words.slice(0, -1), last.slice(0, 1 + (year % last.length))].join(' '))
    }
  }
  return texts.filter((text) => /[\p{L}\p{N}]/u.test(text))
}

/** Suggestions for texts that are asked once each. */
async function suggestions({ base }: Started): Promise<Figure[]> {
  const times: number[] = []
  for (const text of await typed(base)) {
    const url = `${base}/v1/animes/suggest?q=${encodeURIComponent(text)}`
    times.push(await timed(() => drain(url)))
  }
  times.sort((a, b) => a - b)
  return [
    atMost(`suggestions for ${times.length} texts: median`, median(times), 5, 'ms'),
    atMost('... 95 %', times[Math.floor(0.95 * times.length)]!, 5, 'ms'),
    { what: '... the slowest', measured: formatValue(times.at(-1)!, 'ms') },
  ]
}

async function together({ base }: Started): Promise<Figure[]> {
  const paths = requests
    .filter(([path]) => path.startsWith('?'))
    .map(([path]) => `${path}&fields=id`)
  const times = await hitsDuring(base, () =>
    Promise.all(paths.map((path) => drain(base + urlOf(path)))),
  )
  return hitFigures('eight at once', times)
}

/** Clients that read a little and then nothing, and the most memory that they cost over `idle`. */
export async function slow({ base, child }: Started, idle: number): Promise<Figure[]> {
  const open = Array.from({ length: slowReaders }, () => {
    const sent = http.get(`${base}/v1/animes`, { agent: false }, (answer) => {
      answer.once('readable', () => answer.read(1000))
    })
    sent.on('error', () => {})
    return sent
  })
  let most = 0
  for (let tick = 0; tick < 50; tick += 1) {
    await sleep(200)
    most = Math.max(most, memoryOf(child).resident)
  }
  for (const sent of open) sent.destroy()
  return [atMost(`memory over idle, ${slowReaders} slow readers`, most - idle, 100, 'MiB')]
}

/** So many different requests at once: their statuses, and the hits meanwhile. */
async function burst(base: string): Promise<{ statuses: number[]; times: number[] }> {
  const statuses: number[] = []
  const paths = Array.from(
    { length: distinctMisses },
    (_, index) => `?minScore=${index / 250}&limit=20`,
  )
  const times = await hitsDuring(base, () =>
    Promise.all(paths.map(async (path) => statuses.push(await drain(base + urlOf(path))))),
  )
  return { statuses, times }
}

async function manyMisses(service: Started, idle: number): Promise<Figure[]> {
  const { base, child } = service
  const { statuses, times } = await burst(base)
  const bare = await inTemporaryFolder(async (folder) => {
    const { contenders, stop } = await startBare(service, ['http'], folder, { path: page })
    return burst(contenders[0]!.base).finally(stop)
  })
  const wrong = statuses.filter((status) => status !== 200 && status !== 503).length
  return [
    atMost(`${distinctMisses} distinct misses: neither 200 nor 503`, wrong, 0),
    { what: '... 503', measured: String(statuses.filter((status) => status === 503).length) },
    { what: '... memory over idle', measured: formatValue(memoryOf(child).resident - idle, 'MiB') },
    ...hitFigures('...', times),
    {
      what: '... worst and p99 where a bare node:http sends the page to all',
      measured: `${formatValue(bare.times.at(-1) ?? 0, 'ms')}, ${formatValue(p99(bare.times), 'ms')}`,
    },
  ]
}

/** The whole list by turns with a bare server that selects, stringifies and writes the same rows. */
async function besideBare({ base }: Started): Promise<Figure[]> {
  const database = join(tmpdir(), `anime-bench-big-${titles}`, '.data/anime.db')
  const folder = join(database, '..')
  const bare = await start('bench/bare-list.ts', [database], { folder, path: '/' })
  const identity = { 'accept-encoding': 'identity' }
  const times = { service: [] as number[], bare: [] as number[] }
  try {
    for (let round = 0; round < 3; round += 1) {
      times.service.push(await timed(() => drain(`${base}/v1/animes`, identity)))
      times.bare.push(await timed(() => drain(`${bare.base}/list`, identity)))
    }
  } finally {
    await bare.stop()
  }
  const [service, other] = [median(times.service), median(times.bare)]
  return [
    atMost('the whole list / select + JSON.stringify + write', service / other, 1.5),
    {
      what: '... in seconds',
      measured: `${(service / 1000).toFixed(1)} / ${(other / 1000).toFixed(1)}`,
    },
  ]
}

async function misses(service: Started, idle: number, log: (progress: string) => void) {
  const alone = await each(service, log)
  const others = [
    ...(await suggestions(service)),
    ...(await together(service)),
    ...(await besideBare(service)),
  ]
  return [...alone, ...others, ...(await manyMisses(service, idle))]
}

export default {
  name: 'big',
  title: 'Two million titles: what misses take, and what hits notice of them',
  async run({ log }) {
    const folder = await catalogue(log)
    const figures: Figure[] = []
    // The second begins anew, so that its memory is that of the slow readers alone.
    for (const measure of [misses, slow]) {
      const env = { RATE_LIMIT_MAX: '10000000' }
      const service = await startService(folder, env, '/health/live')
      try {
        await sleep(3000)
        figures.push(...(await measure(service, memoryOf(service.child).resident, log)))
      } finally {
        await service.stop()
      }
    }
    return figures
  },
} satisfies Bench
