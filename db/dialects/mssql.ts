import type { Database } from './dialect.ts'

export function openMssql(_url: string): Database {
  throw new Error('SQL Server is not supported yet')
}
