import { createReadStream, statSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { createGunzip } from 'node:zlib'
import { ConfigError, loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { ImportError, type ImportSummary, importCsv } from '../db/import/import.ts'
import { importProgress } from '../db/import/progress.ts'
import { rejectsFile } from '../db/import/rejects.ts'
import { openStage } from '../db/import/stage.ts'
import { migrate } from '../db/migrate.ts'

const usage = `usage: npm run import -- FILE.csv[.gz] [options]

Streams an anime catalogue into the database of DATABASE_URL, in one transaction.

  --replace        also remove the titles that FILE does not have
  --dry-run        do everything but commit
  --rejects FILE   where rows that cannot be taken go (default: NAME.rejects.csv, only if any)
  --batch N        rows sent at a time, 1 to 100000 (default 1000)
  --help           this text

Exit code: 0 all rows taken, 2 some rejected, 1 nothing done.`

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`import: ${oneLine(error)}`)
  process.exitCode = 1
}

async function main(argv: string[]): Promise<number> {
  const { file, help, replace, dryRun, batch, rejects } = readArguments(argv)
  if (help) {
    console.log(usage)
    return 0
  }
  const size = statSync(file).size
  const config = loadConfig()
  const database = await openDatabase(config.DATABASE_URL)
  try {
    await database.connect()
    await migrate(database)
    const raw = createReadStream(file, { highWaterMark: 262_144 })
    const source = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
    raw.on('error', (error) => source.destroy(error))
    const progress = importProgress(size, () => raw.bytesRead)
    const rejected = rejectsFile(rejects ?? `${basename(file)}.rejects.csv`)
    try {
      const summary = await importCsv(source, openStage(config, database), {
        replace,
        dryRun,
        batch,
        onReject: rejected.write,
        onProgress: progress.update,
      })
      progress.stop()
      await rejected.close()
      console.log(report(summary, progress.seconds(), dryRun))
      if (summary.rejected > 0) console.log(`rejected rows: ${rejected.path}`)
      return summary.rejected > 0 ? 2 : 0
    } finally {
      progress.stop()
      await rejected.close()
    }
  } finally {
    await database.close()
  }
}

function readArguments(argv: string[]) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      replace: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      rejects: { type: 'string' },
      batch: { type: 'string', default: '1000' },
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
  if (code === 'ENOENT') return `there is no file ${path}`
  if (code === 'EISDIR') return 'the file is a folder'
  if (code?.startsWith('Z_')) return 'the file is not whole gzip data'
  if (error instanceof ConfigError) return message
  return message.split('\n')[0]!
}
