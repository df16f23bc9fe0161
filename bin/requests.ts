import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { httpFile } from './requests/http-file.ts'
import { operationsOf } from './requests/operations.ts'
import { postmanCollection } from './requests/postman.ts'

/* Writes the requests to try the service with, from its OpenAPI document: `npm run requests`. */

const folder = join(import.meta.dirname, '../requests')
const scratch = await mkdtemp(join(tmpdir(), 'anime-api-'))
const app = await buildApp({
  config: loadConfig({ DATABASE_URL: `sqlite:${join(scratch, 'anime.db')}` }),
})
try {
  await app.ready()
  const operations = operationsOf(app.swagger())
  await writeFile(join(folder, 'anime-api.http'), httpFile(operations))
  await writeFile(join(folder, 'anime-api.postman_collection.json'), postmanCollection(operations))
  console.log(`${operations.length} requests in requests/`)
} finally {
  await app.close()
  await rm(scratch, { recursive: true, force: true })
}
