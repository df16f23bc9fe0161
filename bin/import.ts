import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { ConfigError, loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { describe } from '../db/import/describe.ts'
import {
  ImportError,
  type ImportSummary,
  importCatalogue,
  type OpenStage,
} from '../db/import/import.ts'
import { importProgress } from '../db/import/progress.ts'
import { openCatalogue, type ReadOptions } from '../db/import/read.ts'
import { rejectsFile } from '../db/import/rejects.ts'
import { openStage } from '../db/import/stage.ts'
import { openSource, type SourceFile } from '../db/import/unpack.ts'
import { migrate } from '../db/migrate.ts'
import { stopSignal } from './stop-signal.ts'

const usage = `usage: npm run import -- FILE [options]      (- for standard input)

Streams an anime catalogue into the database of DATABASE_URL, in one transaction. FILE is a CSV (with
commas, semicolons, tabs or |), JSON or NDJSON, plain or as .gz, .zst or .zip; see docs/import.md.

  --list-columns    say what each column is taken for and show three rows; needs no database
  --map A=B,...     take the file's column B for our A: id, title, type, year, score, episodes, genres
  --key B,...       the column with the source's ids, or those of title, type and year that identify a title
  --scale N         the best score on the scale of the file (default 10)
  --separator TEXT  the separator of genres that are not quoted
  --encoding NAME   the encoding, if it is not recognized
  --entry NAME      the file in a zip archive
  --strict          only the catalogue's own columns, as Data Factory takes them
  --replace         also remove the titles that FILE does not have
  --dry-run         do everything but commit
  --rejects FILE    where rows that cannot be taken go (default: NAME.rejects.csv, only if any)
  --batch N         rows sent at a time, 1 to 100000 (default 500)
  --help            this text

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
  const file = await openSource(given.file, given.entry)
  try {
    return await read(given, file)
  } finally {
    file.chunks.destroy()
  }
}

async function read(given: Arguments, file: SourceFile): Promise<number> {
  if (given.listColumns) {
    console.log(describe(await openCatalogue(file.chunks, given.reading)))
    return 0
  }
  const config = loadConfig()
  const database = await openDatabase(config.DATABASE_URL)
  try {
    await database.connect({ onRetry: () => console.error('waiting for the database') })
    await migrate(database)
    const stage = openStage(config.DATABASE_URL)
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

async function run(given: Arguments, file: SourceFile, stage: OpenStage): Promise<number> {
  const { replace, dryRun, batch, reading } = given
  const progress = importProgress(file.size, file.bytesRead)
  const name = given.file === '-' ? 'stdin' : basename(given.file)
  const rejects = rejectsFile(given.rejects ?? `${name}.rejects.csv`, file.identity)
  try {
    const summary = await importCatalogue(file.chunks, stage, {
      ...{ ...reading, replace, dryRun, batch },
      signal: stopSignal(),
      onNote: (note) => console.error(note),
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
    if (rejects.complete()) console.error(`rejected rows: ${rejects.path}; ${rejects.first()}`)
  } catch (error) {
    console.error((error as Error).message)
  } finally {
    rejects.discard()
  }
}

function readArguments(argv: string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      ...{ map: { type: 'string', multiple: true, default: [] as string[] }, key: text },
      ...{ scale: text, separator: text, encoding: text, entry: text, rejects: text },
      ...{ 'list-columns': flag, strict: flag, replace: flag, 'dry-run': flag },
      batch: { type: 'string', default: '500' },
      help: { ...flag, short: 'h' },
    },
  })
  if (!values.help && positionals.length !== 1) {
    throw new ImportError('wants one file; see npm run import -- --help')
  }
  const { rejects, entry, replace, help } = values
  return {
    ...{ help, replace, rejects, entry, file: positionals[0] ?? '' },
    dryRun: values['dry-run'],
    listColumns: values['list-columns'],
    batch: wholeNumber('--batch', values.batch, 100_000),
    reading: readingOf(values),
  }
}

/** How the file is to be read. */
function readingOf(values: {
  map: string[]
  key?: string
  scale?: string
  separator?: string
  encoding?: string
  strict: boolean
}): ReadOptions {
  const { key, scale, separator, encoding, strict } = values
  if (separator === '') throw new ImportError('--separator: got nothing, wants a text')
  const free = ['key', 'scale', 'separator', 'encoding'] as const
  const other = values.map.length > 0 ? 'map' : free.find((name) => values[name] !== undefined)
  if (strict && other !== undefined) throw new ImportError(`--strict takes no --${other}`)
  return {
    strict,
    map: values.map.flatMap((pairs) => pairs.split(/,(?=\w+=)/)).map(pairOf),
    ...(key === undefined ? {} : { key: key.split(',') }),
    ...(scale === undefined ? {} : { scale: wholeNumber('--scale', scale, 1000) }),
    ...(separator === undefined ? {} : { separator }),
    ...(encoding === undefined ? {} : { encoding }),
  }
}

function pairOf(text: string): [ours: string, theirs: string] {
  const [, ours, theirs] = /^(\w+)=(.*)$/s.exec(text) ?? []
  if (ours === undefined || theirs === undefined) {
    throw new ImportError(`--map: got "${text}", wants title=NAME, or several with commas`)
  }
  return [ours, theirs]
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw new ImportError(`${option}: got "${text}", wants a whole number from 1 to ${most}`)
  }
  return number
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
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_'))
    return 'the file is not whole gzip or zstd data'
  if (code === 'ERR_SQLITE_ERROR') return `the database: ${message}`
  if (error instanceof ConfigError) return message
  return message.split('\n')[0]!
}
