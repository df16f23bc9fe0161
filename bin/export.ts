import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { PassThrough, Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip, createZstdCompress } from 'node:zlib'
import { type FormatName, fileFormats } from '../catalogue/formats.ts'
import { loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import type { Database } from '../db/dialects/dialect.ts'
import { exportCatalogue } from '../db/export.ts'
import { migrate } from '../db/migrate.ts'

const usage = `usage: npm run export -- FILE [--format csv|ndjson|json]

Writes every title of the database of DATABASE_URL to FILE: NAME.csv, NAME.ndjson or NAME.json, packed as
NAME.csv.gz or NAME.csv.zst; - is standard output, as CSV unless --format says otherwise. An import of
the file changes nothing.

Exit code: 0 all is written, 1 nothing is (FILE is as it was).`

class UsageError extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  // Whoever reads our output has read enough.
  if (code !== 'EPIPE') console.error(`export: ${message.split('\n')[0]}`)
  process.exitCode = 1
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { format: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [file] = positionals
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('wants one file; see npm run export -- --help')
  }
  const format = formatOf(file, values.format)
  const database = await openDatabase(loadConfig().DATABASE_URL)
  try {
    await database.connect({ onRetry: () => console.error('waiting for the database') })
    await migrate(database)
    const titles = await write(database, format, file)
    console.error(`${titles} titles written${file === '-' ? '' : ` to ${file}`}`)
    return 0
  } finally {
    await database.close()
  }
}

function formatOf(file: string, named: string | undefined): FormatName {
  const extension = /\.([^.]+?)(\.gz|\.zst)?$/.exec(file)?.[1]
  const name = named ?? (file === '-' ? 'csv' : extension)
  if (name === 'jsonl') return 'ndjson'
  if (name !== undefined && Object.hasOwn(fileFormats, name)) return name as FormatName
  throw new UsageError(
    `"${name ?? file}" is no format: name the file .csv, .ndjson or .json, or give --format`,
  )
}

/** Writes beside `file` and takes its place when all is there. */
async function write(database: Database, format: FormatName, file: string): Promise<number> {
  let titles = 0
  const count = (rows: number) => {
    titles += rows
  }
  const texts = Readable.from(exportCatalogue(database, format, count))
  if (file === '-') {
    await pipeline(texts, process.stdout)
    return titles
  }
  const beside = `${file}.${process.pid}.partial`
  try {
    await pipeline(texts, packerFor(file), createWriteStream(beside), { signal: stopSignal() })
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    throw (error as Error).name === 'AbortError' ? new Error('stopped; nothing was written') : error
  }
  return titles
}

function packerFor(file: string): Writable & NodeJS.ReadableStream {
  if (file.endsWith('.gz')) return createGzip()
  return file.endsWith('.zst') ? createZstdCompress() : new PassThrough()
}

/** Aborts with the first SIGINT or SIGTERM; the second one ends the process as ever. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort())
  }
  return controller.signal
}
