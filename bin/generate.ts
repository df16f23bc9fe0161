import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { catalogueSize, generateCsv } from '../db/import/generate.ts'

const [text = String(catalogueSize), ...rest] = process.argv.slice(2)
if (!/^[1-9]\d{0,8}$/.test(text) || rest.length > 0) {
  console.error('usage: npm run --silent generate -- [ROWS] > FILE.csv')
  process.exit(1)
}
try {
  await pipeline(Readable.from(generateCsv(Number(text))), process.stdout)
} catch (error) {
  // The reader of the pipe has closed it.
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
}
