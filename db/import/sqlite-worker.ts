import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { sourceId } from '../../catalogue/columns.ts'
import { sortTitle } from '../../catalogue/words.ts'
import { openConnection } from '../dialects/sqlite-connection.ts'
import { earlierRow } from './left-out.ts'
import {
  type FlatRows,
  phases,
  type Reply,
  type Request,
  type Start,
  storedColumns,
} from './sqlite.ts'
import { rowInserter } from './sqlite-insert.ts'
import { merger } from './sqlite-merge.ts'
import { type NaturalRow, naturalLoader } from './sqlite-natural.ts'
import { importedWords } from './sqlite-words.ts'

/** The import's transaction: starts with the thread, ends with `finish` or rolls back with it. */
const { path, replace, dryRun, phase, given, hasSourceIds, natural } = workerData as Start

const width = storedColumns.length
const names = storedColumns.join(', ')
const titleAt = storedColumns.indexOf('title')
const scoreAt = storedColumns.indexOf('score')
const sortTitleAt = storedColumns.indexOf('sort_title')
// Titles compare without regard to case; a change of case is a change too.
const changed = `(${given.map((name) => `a.${name} collate binary`)}) is not
  (${given.map((name) => `b.${name}`)})`

let db: DatabaseSync
let existing: number
let words: ReturnType<typeof importedWords>
let load: (rows: FlatRows) => Promise<NonNullable<Reply['left']>>
let indexes: string[] = []
const counts = { added: 0, changed: 0, unchanged: 0, removed: 0 }

function open(): Reply {
  db = openConnection(path)
  // Genres are kept in step below; checking each against its title costs a fifth of inserting it.
  db.exec(`
    pragma busy_timeout = 5000;
    pragma cache_size = -8192;
    pragma foreign_keys = off;
    create temp table seen (source_id integer primary key, nth integer);
    create temp table batch (${names});
    begin immediate
  `)
  existing = Number(db.prepare('select count(*) as titles from animes').get()!.titles)
  // Building an index once is half the work of keeping it up to date row by row; those of
  // anime_genres stay, since they cost little and the parser is the slower one until the end.
  if (existing === 0) indexes = dropIndexes()
  words = importedWords(db)
  const insert = existing === 0 ? insertNew() : merge()
  const takeFirst = firstOfEach()
  const lastId = db.prepare('select coalesce(max(id), 0) as id from animes')
  const addGenres = db.prepare(
    `insert or fail into anime_genres (genre, anime_id)
     select g.value, a.id from animes a, json_each(a.genres) g where a.id > ?`,
  )
  const loadNatural = naturalLoader(db, { existing, hasSourceIds, natural, given, changed, words })
  load = async (rows) => {
    const { positions, values, unnamed } = partition(rows)
    const first = takeFirst(positions, values)
    const last = Number(lastId.get()!.id)
    const added = insert(first.values)
    counts.added += added
    counts.unchanged += first.values.length / width - added
    const { left, ...others } = loadNatural(unnamed, last)
    for (const name of ['added', 'changed', 'unchanged'] as const) counts[name] += others[name]
    addGenres.run(last)
    await words.write()
    return [...first.left, ...left]
  }
  return { existing }
}

/** The rows that have a `source_id`, flat with their positions, and those that have none. */
function partition({ values, exported }: FlatRows) {
  const positions: number[] = []
  const unnamed: NaturalRow[] = []
  const cells = (position: number) => values.slice(position * width, (position + 1) * width)
  for (let position = 0; position * width < values.length; position += 1) {
    if (values[position * width] !== null) positions.push(position)
    else {
      const exportedId = exported?.[position] ?? null
      unnamed.push({ position, exportedId, values: cells(position) })
    }
  }
  if (unnamed.length === 0) return { positions, values, unnamed }
  return { positions, values: positions.flatMap(cells), unnamed }
}

/** Takes the rows whose `source_id` is new to this import, and gives the positions of the others. */
function firstOfEach() {
  const insertSeen = rowInserter(db, 'seen', ['source_id', 'nth'], 'or ignore')
  const nthSeen = db.prepare('select nth from seen where source_id = ?')
  // As long as they ascend, none comes again, and the new table alone has them all.
  let ascending = existing === 0
  let greatest = -1
  let before = 0
  return (positions: number[], values: SQLInputValue[]) => {
    const nth = before
    before += positions.length
    if (ascending) {
      const last = lastAscending(values, greatest)
      if (last !== undefined) {
        greatest = last
        return { left: [], values }
      }
      ascending = false
      db.exec(`insert into seen (source_id, nth)
        select source_id, -1 from animes where source_id is not null`)
    }
    const ids: number[] = []
    for (const at of positions.keys()) ids.push(values[at * width] as number, nth + at)
    const fresh = insertSeen(ids)
    if (fresh === positions.length) return { left: [], values }
    const taken: SQLInputValue[] = []
    const left = positions.filter((_, at) => {
      const row = values.slice(at * width, (at + 1) * width)
      const isFirst = nthSeen.get(row[0]!)!.nth === nth + at
      if (isFirst) taken.push(...row)
      return !isFirst
    })
    const reason = earlierRow([sourceId.file])
    return { left: left.map((position) => ({ position, reason })), values: taken }
  }
}

/** The last id of the rows if each is greater than the one before, and the first than `greatest`. */
function lastAscending(values: SQLInputValue[], greatest: number): number | undefined {
  let last = greatest
  for (let at = 0; at < values.length; at += width) {
    const id = values[at] as number
    if (id <= last) return undefined
    last = id
  }
  return last
}

/** Inserts into an empty table. */
function insertNew() {
  const insertRows = rowInserter(db, 'animes', storedColumns)
  const lastId = db.prepare(`select seq as id from sqlite_sequence where name = 'animes'`)
  return (values: SQLInputValue[]): number => {
    // Ids follow one another: the transaction has the table for itself.
    let id = Number(lastId.get()?.id ?? 0)
    setSortTitles(values, (title, score) => {
      id += 1
      return words.add(id, title, score)
    })
    return insertRows(values)
  }
}

function setSortTitles(
  values: SQLInputValue[],
  sortTitleOf: (title: string, score: number | null) => string,
): void {
  for (let at = 0; at < values.length; at += width) {
    const [title, score] = [values[at + titleAt] as string, values[at + scoreAt] as number | null]
    values[at + sortTitleAt] = sortTitleOf(title, score)
  }
}

/** Inserts and updates over titles that are there already, and gives how many it inserted. */
function merge() {
  const insertBatch = rowInserter(db, 'batch', storedColumns)
  const clearBatch = db.prepare('delete from batch')
  const update = merger(db, {
    table: 'batch',
    on: 'b.source_id = a.source_id',
    given,
    changed,
    words,
  })
  const add = db.prepare(
    `insert into animes (${names}) select ${names} from batch b
     where not exists (select 1 from animes a where a.source_id = b.source_id) order by b.rowid`,
  )
  const lastId = db.prepare('select coalesce(max(id), 0) as id from animes')
  return (values: SQLInputValue[]): number => {
    clearBatch.run()
    setSortTitles(values, sortTitle)
    insertBatch(values)
    const updated = update()
    counts.changed += updated
    counts.unchanged -= updated
    const last = Number(lastId.get()!.id)
    const added = Number(add.run().changes)
    words.addAfter(last)
    return added
  }
}

async function finish(): Promise<Reply> {
  if (replace && existing > 0) counts.removed = await removeUnseen()
  await words.write(true)
  // Short sorted runs stay in the processor's cache, and a second thread sorts the next meanwhile.
  db.exec('pragma cache_size = -2048; pragma threads = 1')
  for (const sql of indexes) {
    if (Atomics.load(phase, 0) === phases.aborted) break
    db.exec(sql)
  }
  const { added, changed, removed } = counts
  if (added + changed + removed > 0) db.exec("insert into outbox (tags) values ('*')")
  if (Atomics.compareExchange(phase, 0, phases.loading, phases.committing) !== phases.loading) {
    throw new Error('aborted')
  }
  db.exec(dryRun || added + changed + removed === 0 ? 'rollback' : 'commit')
  db.close()
  return { counts }
}

async function removeUnseen(): Promise<number> {
  const unseen = `id not in (select id from kept)
    and (source_id is null or source_id not in (select source_id from seen))`
  db.exec(`delete from anime_genres where anime_id in (select id from animes where ${unseen})`)
  await words.removeWhere(unseen)
  return Number(db.prepare(`delete from animes where ${unseen}`).run().changes)
}

function dropIndexes(): string[] {
  const found = db
    .prepare(
      `select name, sql from sqlite_master
       where type = 'index' and sql is not null
         and (tbl_name = 'animes' or name = 'search_words_mirrored')`,
    )
    .all()
  for (const { name } of found) db.exec(`drop index ${name}`)
  return found.map(({ sql }) => sql as string)
}

/** What is awaited here is there at once, so that no request overtakes another. */
async function answer(work: () => Reply | Promise<Reply>) {
  let reply: Reply
  try {
    reply = await work()
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    reply = { error: { message, errcode } }
  }
  parentPort!.postMessage(reply)
}

void answer(open)
parentPort!.on('message', (request: Request) =>
  answer(async () => ('load' in request ? { left: await load(request.load) } : finish())),
)
