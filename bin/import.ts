import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { pipeline, type Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { createGunzip } from 'node:zlib'
import { ConfigError, loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { ImportError, type ImportSummary, importCsv, type OpenStage } from '../db/import/import.ts'
import { importProgress } from '../db/import/progress.ts'
import { rejectsFile } from '../db/import/rejects.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'

const usage = `usage: npm run import -- FILE.csv[.gz] [options]

Streams an anime catalogue into the database of DATABASE_URL, in one transaction.

  --replace        also remove the titles that FILE does not have
  --dry-run        do everything but commit
  --rejects FILE   where rows that cannot be taken go (default: NAME.rejects.csv, only if any)
  --batch N        rows sent at a time, 1 to 100000 (default 500)
  --help           this text

Exit code: 0 all rows taken, 2 some rejected, 1 nothing done.`

// Rows live for a moment; V8 would give them ever more room, and a long file more than a short one.
setFlagsFromString('--semi-space-growth-factor=1')
setFlagsFromString('--heap-growing-percent=30')

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`import: ${oneLine(error)}`)
  process.exitCode = 1
}

type Arguments = ReturnType<typeof readArguments>

async function main(argv: string[]): Promise<number> {
  const given = readArguments(argv)
  if (given.help) {
    console.log(usage)
    return 0
  }
  const file = await open(given.file)
  const config = loadConfig()
  const database = await openDatabase(config.DATABASE_URL)
  try {
    await database.connect({ onRetry: () => console.error('waiting for the database') })
    await migrate(database)
    const stage = openStage(config.DATABASE_URL, database)
    const { REDIS_URL: redis } = config
    return await run(given, file, redis === undefined ? stage : await purging(stage, redis))
  } finally {
    await database.close()
  }
}

/** Loads the Redis client only where it is needed. */
async function purging(stage: OpenStage, url: string): Promise<OpenStage> {
  const { withPurge } = await import('../plugins/purge-after-import.ts')
  return withPurge(stage, url, () =>
    console.error('redis cannot be reached: the service follows within two seconds'),
  )
}

async function run(given: Arguments, file: FileHandle, stage: OpenStage): Promise<number> {
  const { replace, dryRun, batch } = given
  const { size, ino, dev } = await file.stat()
  const { source, bytesRead } = csvText(file, given.file.endsWith('.gz'))
  const progress = importProgress(size, bytesRead)
  const rejects = rejectsFile(given.rejects ?? `${basename(given.file)}.rejects.csv`, { ino, dev })
  try {
    const summary = await importCsv(source, stage, {
      replace,
      dryRun,
      batch,
      signal: stopSignal(),
      onReject: rejects.write,
      onProgress: progress.update,
      onRead: () => {
        rejects.finish()
        progress.finishing()
      },
    })
    progress.stop()
    console.log(report(summary, progress.seconds(), dryRun))
    return summary.rejected > 0 ? 2 : 0
  } finally {
    progress.stop()
    finish(rejects)
  }
}

/** On every way out: the file of the rejected rows is whole, or one line says why there is none. */
function finish(rejects: ReturnType<typeof rejectsFile>): void {
  try {
    rejects.finish()
    if (rejects.complete()) console.error(`rejected rows: ${rejects.path}`)
  } catch (error) {
    console.error((error as Error).message)
  } finally {
    rejects.discard()
  }
}

function csvText(file: FileHandle, zipped: boolean): { source: Readable; bytesRead: () => number } {
  const raw = file.createReadStream()
  const bytesRead = () => raw.bytesRead
  if (!zipped) return { source: raw, bytesRead }
  // The error of either is the error of the last, which the import reads.
  const source = pipeline(raw, createGunzip({ chunkSize: 65_536 }), () => {})
  return { source, bytesRead }
}

/** Aborts with the first SIGINT or SIGTERM; the second one ends the process as ever. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort())
  }
  return controller.signal
}

function readArguments(argv: string[]) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      replace: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      rejects: { type: 'string' },
      batch: { type: 'string', default: '500' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const batch = Number(values.batch)
  if (!Number.isInteger(batch) || batch < 1 || batch > 100_000) {
    throw new ImportError(`--batch: got "${values.batch}", wants a whole number from 1 to 100000`)
  }
  if (!values.help && positionals.length !== 1) {
    throw new ImportError('wants one file; see npm run import -- --help')
  }
  return { ...values, file: positionals[0] ?? '', dryRun: values['dry-run'], batch }
}

function report(summary: ImportSummary, seconds: number, dryRun: boolean): string {
  const { read, added, changed, unchanged, removed, rejected } = summary
  const rate = Math.round(read / seconds)
  return (
    `${dryRun ? 'dry run, nothing kept: ' : ''}${read} rows read in ${seconds.toFixed(2)} s ` +
    `(${rate} rows/s): ${added} added, ${changed} changed, ${unchanged} unchanged, ` +
    `${removed} removed, ${rejected} rejected`
  )
}

function oneLine(error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' && path !== undefined) return `there is no file ${path}`
  if (code === 'EACCES' && path !== undefined) return `may not read ${path}`
  if (code === 'EISDIR') return 'the file is a folder'
  if (code?.startsWith('Z_')) return 'the file is not whole gzip data'
  if (code === 'ERR_SQLITE_ERROR') return `the database: ${message}`
  if (error instanceof ConfigError) return message
  return message.split('\n')[0]!
}
