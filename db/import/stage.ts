import type { Database } from '../dialects/dialect.ts'
import type { OpenStage } from './import.ts'
import { sqliteStage } from './sqlite.ts'

/** The import's way into the database that `url` names; SQL Server's is loaded only for one. */
export function openStage(url: string, { dialect }: Database): OpenStage {
  if (dialect.name === 'sqlite') return sqliteStage(url.slice('sqlite:'.length))
  return async (options) => {
    const { mssqlStage } = await import('./mssql.ts')
    const { parseMssqlUrl } = await import('../dialects/mssql-url.ts')
    return mssqlStage(parseMssqlUrl(url))(options)
  }
}
