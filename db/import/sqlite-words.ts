import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { statementCache } from '../dialects/sqlite-connection.ts'
import { textOf } from '../reads/sql.ts'
import { applyChange, createWordChanges, toBytes, type WordChange } from '../search/entries.ts'
import type { RunSql } from '../search/rows.ts'
import { applyWordChanges, inOrder, mirror } from '../search/write.ts'
import { rowInserter } from './sqlite-insert.ts'

/** Entries gathered before they are written, 12 bytes each: memory is bound, and few blocks are written twice. */
const entriesAtATime = 1_000_000

const none = new Set<number>()

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

  let isEmpty = db.prepare('select 1 from search_words limit 1').get() === undefined
  const insert = rowInserter(db, 'search_words', ['word', 'mirrored', 'first_id', 'entries'])

  /** Writes the first words there are: all of their blocks are new. */
  function writeFirst(words: WordChange[]): void {
    const rows: SQLInputValue[] = []
    for (const { word, added } of inOrder(words)) {
      const { made } = applyChange([], { removed: none, added })
      for (const { first, entries } of made) rows.push(word, mirror(word), first, toBytes(entries))
      if (rows.length >= 4000) insert(rows.splice(0))
    }
    insert(rows)
  }

  /** Writes what was gathered: when that is much or, with `all`, in any case. */
  async function write(all = false): Promise<void> {
    if (!all && changes.size < entriesAtATime) return
    if (isEmpty) writeFirst(changes.take())
    else await applyWordChanges(run, changes.take())
    isEmpty = false
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
