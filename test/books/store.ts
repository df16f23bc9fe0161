import { randomUUID } from 'node:crypto'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Outbox } from '../../plugins/cache/write.ts'

export interface Book {
  id: number
  title: string
  shelf: string
  year: number | null
  authors: string[]
  edition: number | null
}

export interface BookFilter {
  shelf?: string
  year?: number
  author?: string[]
}

/** The books in the SQLite file at `path`, with the outbox table that the cache asks for. */
export function openBooks(path: string) {
  const setup = new DatabaseSync(path, { timeout: 10_000 })
  setup.exec(`pragma journal_mode = wal;
    create table if not exists books (id integer primary key autoincrement, title text, shelf text,
      year integer, authors text, edition integer);
    create table if not exists outbox (id integer primary key autoincrement, change text not null,
      mark text);
    create table if not exists dataset (name text);
    insert into dataset select '${randomUUID()}' where not exists (select 1 from dataset)`)
  setup.close()
  const writing = new DatabaseSync(path)
  const reading = new DatabaseSync(path)

  // One connection, one transaction: they take turns, in this process and with others.
  let last: Promise<unknown> = Promise.resolve()
  function transaction<T>(work: (trx: DatabaseSync) => Promise<T>): Promise<T> {
    const turn = last.then(async () => {
      while (!begin()) await sleep(5)
      try {
        const result = await work(writing)
        writing.exec('commit')
        return result
      } catch (error) {
        writing.exec('rollback')
        throw error
      }
    })
    last = turn.catch(() => {})
    return turn
  }

  function begin(): boolean {
    try {
      writing.exec('begin immediate')
      return true
    } catch (error) {
      // SQLITE_BUSY: another process writes.
      if ((error as { errcode?: number }).errcode === 5) return false
      throw error
    }
  }

  const run = (sql: string, ...values: SQLInputValue[]) =>
    transaction(async (trx) => void trx.prepare(sql).run(...values))

  const outbox: Outbox<DatabaseSync> = {
    insert: async (trx, change, mark) =>
      void trx.prepare('insert into outbox (change, mark) values (?, ?)').run(change, mark),
    read: async () => reading.prepare('select * from outbox order by id').all() as never,
    async remove(ids) {
      for (const id of ids) await run('delete from outbox where id = ?', id)
    },
    removeByMark: (mark) => run('delete from outbox where mark = ?', mark),
  }

  const toBook = (row: unknown) => {
    const { authors, ...rest } = row as Omit<Book, 'authors'> & { authors: string }
    return { ...rest, authors: JSON.parse(authors) } as Book
  }

  return {
    transaction,
    outbox,
    run,
    dataset: async () => String(reading.prepare('select name from dataset').get()!.name),
    foreignVersion: () => Number(writing.prepare('pragma data_version').get()!.data_version),
    list({
      shelf = null,
      year = null,
      author = [],
    }: { [K in keyof BookFilter]: BookFilter[K] | null }) {
      const sql = `select * from books where (?1 is null or shelf = ?1) and (?2 is null or year = ?2)
        order by id`
      const books = reading.prepare(sql).all(shelf, year).map(toBook)
      return books.filter(({ authors }) => (author ?? []).every((name) => authors.includes(name)))
    },
    find(id: number, db: DatabaseSync = reading): Book | undefined {
      const row = db.prepare('select * from books where id = ?').get(id)
      return row && toBook(row)
    },
    insert(trx: DatabaseSync, book: Omit<Book, 'id'>): Book {
      const { title, shelf, year, authors, edition } = book
      const sql = `insert into books (title, shelf, year, authors, edition) values (?, ?, ?, ?, ?)
        returning *`
      return toBook(trx.prepare(sql).get(title, shelf, year, JSON.stringify(authors), edition))
    },
    update(trx: DatabaseSync, { id, title, shelf, year, authors, edition }: Book): void {
      const sql = `update books set title = ?, shelf = ?, year = ?, authors = ?, edition = ?
        where id = ?`
      trx.prepare(sql).run(title, shelf, year, JSON.stringify(authors), edition, id)
    },
    remove: (trx: DatabaseSync, id: number) =>
      void trx.prepare('delete from books where id = ?').run(id),
    close() {
      reading.close()
      writing.close()
    },
  }
}

export type Books = ReturnType<typeof openBooks>
