import { sqlitePath } from '../dialects/sqlite-url.ts'
import type { OpenStage } from './import.ts'
import { sqliteStage } from './sqlite.ts'

/** The import's way into the database that `url` names; SQL Server's is loaded only for one. */
export function openStage(url: string): OpenStage {
  const path = sqlitePath(url)
  if (path !== undefined) return sqliteStage(path)
  return async (options) => {
    const { mssqlStage } = await import('./mssql.ts')
    const { parseMssqlUrl } = await import('../dialects/mssql-url.ts')
    return mssqlStage(parseMssqlUrl(url))(options)
  }
}
