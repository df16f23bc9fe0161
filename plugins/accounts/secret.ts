import { randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Config, ConfigError } from '../../config.ts'
import { sqlitePath } from '../../db/dialects/sqlite-url.ts'

/**
 * The key of the access tokens: JWT_SECRET, or on SQLite one that is made once and kept beside the
 * database file. Processes that start together agree on it: a link appears whole or not at all, and
 * only the first one can make it.
 * @throws ConfigError when the kept secret cannot be used
 */
export async function jwtSecret({ JWT_SECRET: given, DATABASE_URL: url }: Config): Promise<string> {
  if (given !== undefined) return given
  const path = `${sqlitePath(url)}.jwt-secret`
  return (await read(path)) ?? (await make(path))
}

async function read(path: string): Promise<string | undefined> {
  let kept: string
  try {
    kept = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConfigError(`JWT_SECRET: got none, and ${path} cannot be read`)
  }
  if (kept.length >= 32) return kept
  throw new ConfigError(`JWT_SECRET: got none, and ${path} has no 32 characters; remove it`)
}

async function make(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${randomUUID()}`
  await writeFile(draft, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600 })
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft)
  }
  return (await read(path))!
}
