import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { statementCache } from '../dialects/sqlite-connection.ts'
import { textOf } from '../reads/sql.ts'
import { createWordChanges } from '../search/entries.ts'
import type { RunSql } from '../search/rows.ts'
import { applyWordChanges } from '../search/write.ts'

/** Entries gathered before they are written, 12 bytes each: memory is bound, and few blocks are written twice. */
const entriesAtATime = 1_000_000

/** The words of an import, gathered and written on its own connection. */
export function importedWords(db: DatabaseSync) {
  const changes = createWordChanges()
  const prepare = (text: string) => {
    const statement = db.prepare(text)
    statement.setReturnArrays(true)
    return statement
  }
  const kept = statementCache(prepare, 20)
  const run: RunSql = (statement) => {
    const text = textOf(statement, () => '?')
    return kept(text).all(...(statement.values as SQLInputValue[])) as never
  }
  const titlesAfter = db.prepare('select id, title, score from animes where id > ?')

  /** Writes what was gathered: when that is much or, with `all`, in any case. */
  async function write(all = false): Promise<void> {
    if (all || changes.size >= entriesAtATime) await applyWordChanges(run, changes.take())
  }

  return {
    add: changes.add,
    write,
    /** The words of the titles with greater ids. */
    addAfter(id: number) {
      for (const row of titlesAfter.iterate(id)) {
        changes.add(Number(row.id), String(row.title), row.score as number | null)
      }
    },
    /** To be called before titles `a` become as the rows `b` say of the columns that are `given`. */
    changer(joined: string, given: readonly string[]) {
      const score = given.includes('score') ? 'b.score' : 'a.score'
      const others = db.prepare(
        `select a.id, a.title as before, b.title, ${score} as score from ${joined}
         where a.title <> b.title collate binary or a.score is not ${score}`,
      )
      return () => {
        for (const row of others.all()) {
          const [id, before, title] = [Number(row.id), String(row.before), String(row.title)]
          if (before !== title) changes.remove(id, before)
          changes.add(id, title, row.score as number | null)
        }
      }
    },
    /** To be called before these titles are removed. */
    async removeWhere(condition: string) {
      // In slices: words are not written while a statement still reads.
      const slice = db.prepare(
        `select id, title from animes where id > ? and (${condition}) order by id limit 10000`,
      )
      for (let rows = slice.all(0); rows.length > 0; rows = slice.all(rows.at(-1)!.id!)) {
        for (const { id, title } of rows) changes.remove(Number(id), String(title))
        await write()
      }
    },
  }
}

export type ImportedWords = ReturnType<typeof importedWords>
