import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { PassThrough, type Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip, createZstdCompress } from 'node:zlib'
import type { ListFormatName } from '../catalogue/formats.ts'
import { loadConfig } from '../config.ts'
import { placeFor } from '../db/beside.ts'
import { openDatabase } from '../db/database.ts'
import type { Database } from '../db/dialects/dialect.ts'
import { migrate } from '../db/migrate.ts'
import { stopSignal } from './stop-signal.ts'

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
  // EPIPE: the reader of the pipe has closed it.
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
    await write(database, format, file)
    return 0
  } finally {
    await database.close()
  }
}

function formatOf(file: string, named: string | undefined): ListFormatName {
  const extension = /\.([^.]+?)(\.gz|\.zst)?$/.exec(file)?.[1]
  const name = named ?? (file === '-' ? 'csv' : extension)
  if (name === 'jsonl') return 'ndjson'
  if (name === 'csv' || name === 'ndjson' || name === 'json') return name
  throw new UsageError(
    `"${name ?? file}" is no format: name the file .csv, .ndjson or .json, or give --format`,
  )
}

/** Writes beside `file` and takes its place when all is there, if it can be replaced. */
async function write(database: Database, format: ListFormatName, file: string): Promise<void> {
  const signal = stopSignal()
  const answer = await database.read({ what: 'export', format }, { signal })
  const { stream } = answer as { stream: Readable }
  if (file === '-') return pipeline(stream, process.stdout, { signal })
  const { beside, path } = placeFor(file)
  try {
    await pipeline(stream, packerFor(file), createWriteStream(beside), { signal })
    if (path !== undefined) await rename(beside, path)
  } catch (error) {
    if (path !== undefined) await rm(beside, { force: true })
    throw (error as Error).name === 'AbortError' ? new Error('stopped; nothing was written') : error
  }
}

function packerFor(file: string): Transform {
  if (file.endsWith('.gz')) return createGzip()
  return file.endsWith('.zst') ? createZstdCompress() : new PassThrough()
}
