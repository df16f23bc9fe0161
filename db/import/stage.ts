import type { Config } from '../../config.ts'
import type { Database } from '../dialects/dialect.ts'
import type { OpenStage } from './import.ts'
import { sqliteStage } from './sqlite.ts'

/** The import's way into the database of `config`. */
export function openStage(config: Config, _database: Database): OpenStage {
  return sqliteStage(config.DATABASE_URL.slice('sqlite:'.length))
}
