import type { Database } from './dialects/dialect.ts'
import { openSqlite } from './dialects/sqlite.ts'
import { sqlitePath } from './dialects/sqlite-url.ts'
import type { ReaderOptions } from './reads/threads.ts'

/**
 * Opens the database that `url` names: `sqlite:PATH`, or `mssql://...` whose driver is loaded only
 * then.
 * @throws Error with one line that says what is wrong with the URL
 */
export async function openDatabase(url: string, options?: ReaderOptions): Promise<Database> {
  const path = sqlitePath(url)
  if (path !== undefined) return openSqlite(path, options)
  const { openMssql } = await import('./dialects/mssql.ts')
  return openMssql(url, options)
}
