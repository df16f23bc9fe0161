import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateCsv } from '../db/import/generate.ts'
import { atLeast, type Bench, formatValue, median } from './bench.ts'
import { inTemporaryFolder, memoryOf, root } from './processes.ts'

const sizes = { small: 20_238, large: 500_000 }

/** Imports `file` into a new database in a child process; returns rows per second and peak memory in MiB. */
async function runImport(folder: string, file: string, round: number) {
  // As `npm run import` starts it.
  const flags = [`--require=${join(root, 'compile-cache.cjs')}`]
  const child = spawn(process.execPath, [...flags, join(root, 'bin/import.ts'), file], {
    cwd: folder,
    env: { PATH: process.env.PATH, DATABASE_URL: `sqlite:import-${round}-${Date.now()}.db` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let running = true
  const ended = once(child, 'exit').finally(() => {
    running = false
  })
  const stdout = text(child.stdout)
  let peak = 0
  while (running) {
    try {
      peak = Math.max(peak, memoryOf(child).peak || 0)
    } catch {
      // The process has just ended, or the system has no /proc.
    }
    await sleep(20)
  }
  await ended
  const rate = Number(/\((\d+) rows\/s\)/.exec(await stdout)?.[1])
  if (!(rate > 0)) throw new Error(`no rate in the output of the import: ${await stdout}`)
  return { rate, peak }
}

export default {
  name: 'import',
  title: 'Importing into an empty SQLite database',
  run: ({ rounds, log }) =>
    inTemporaryFolder(async (folder) => {
      const results = { small: [] as number[], large: [] as number[] }
      const peaks = { small: 0, large: 0 }
      for (const size of ['small', 'large'] as const) {
        const file = join(folder, `${size}.csv`)
        await pipeline(Readable.from(generateCsv(sizes[size])), createWriteStream(file))
        for (let round = 0; round < Math.min(rounds, 3); round += 1) {
          const { rate, peak } = await runImport(folder, file, round)
          results[size].push(rate)
          peaks[size] = Math.max(peaks[size], peak)
          log(`${sizes[size]} rows: ${formatValue(rate)} rows/s, peak ${formatValue(peak, 'MiB')}`)
        }
      }
      return [
        atLeast('import, rows a second', median(results.large), 150_000),
        { what: '... of 20,238 rows', measured: formatValue(median(results.small)) },
        { what: '... peak memory, 20,238 rows', measured: formatValue(peaks.small, 'MiB') },
        { what: '... peak memory, 500,000 rows', measured: formatValue(peaks.large, 'MiB') },
      ]
    }),
} satisfies Bench
