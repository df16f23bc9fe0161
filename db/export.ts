import { stagedColumns } from '../catalogue/columns.ts'
import { type FormatName, fileFormats } from '../catalogue/formats.ts'
import type { Database } from './dialects/dialect.ts'

const batchSize = 1000
const names = ['id', ...stagedColumns] as const

/**
 * Every title in the order of the ids, as text in pieces, in constant memory. On SQLite all of it is of
 * one moment; on SQL Server each thousand titles are.
 */
export async function* exportCatalogue(
  { reader, dialect }: Database,
  formatName: FormatName,
  onRows: (rows: number) => void,
): AsyncGenerator<string, void, void> {
  const format = fileFormats[formatName]
  // A transaction of its own: a read-only one of SQLite sees one state of the file (sqlite.org/isolation).
  const { commit, trx } = await startReading(reader)
  try {
    yield format.head(names)
    let first = true
    for (let last = 0; ; ) {
      const rows = await trx
        .selectFrom('animes')
        .select(names)
        .where('id', '>', last)
        .orderBy('id')
        .modifyEnd(dialect.limit(batchSize))
        .execute()
      if (rows.length === 0) break
      last = rows.at(-1)!.id
      onRows(rows.length)
      const text = rows.map((row) => format.row(row, names)).join(format.separator)
      yield first ? text : format.separator + text
      first = false
    }
    yield format.tail
  } finally {
    await commit()
  }
}

async function startReading(reader: Database['reader']) {
  const trx = await reader.startTransaction().execute()
  return { trx, commit: () => trx.commit().execute() }
}
