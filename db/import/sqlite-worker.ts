import type { SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { openConnection } from '../dialects/sqlite.ts'
import type { BatchRow } from './import.ts'
import type { Reply, Request } from './sqlite.ts'

const { path, replace, dryRun } = workerData as { path: string; replace: boolean; dryRun: boolean }

const columns = [
  'line',
  'source_id',
  'title',
  'type',
  'year',
  'score',
  'episodes',
  'genres',
] as const
const kept = columns.slice(2).join(', ')
const of = (table: string) => columns.slice(2).map((column) => `${table}.${column}`)

const db = openConnection(path)
db.exec(`
  pragma busy_timeout = 10000;
  pragma cache_size = -65536;
  create temp table seen (source_id integer primary key, line integer);
  create temp table batch (line integer, source_id integer primary key, title, type, year, score,
    episodes, genres);
  begin immediate
`)
const existing = scalar('select count(*) from animes')
const counts = { added: 0, changed: 0, unchanged: 0, removed: 0 }
// Building an index once is half the work of keeping it up to date row by row.
const dropped = existing === 0 ? dropIndexes() : []

const insert = {
  seen: multiRowInsert('insert or ignore into seen (source_id, line)', 2),
  batch: multiRowInsert('insert into batch', columns.length),
}
const lineSeen = db.prepare('select line from seen where source_id = ?')
const clearBatch = db.prepare('delete from batch')
const lastId = db.prepare('select coalesce(max(id), 0) as value from animes')
const joined = 'animes a join batch b on b.source_id = a.source_id'
const dropChangedGenres = db.prepare(
  `delete from anime_genres where anime_id in (select a.id from ${joined} where a.genres <> b.genres)`,
)
const addChangedGenres = db.prepare(
  `insert into anime_genres (genre, anime_id)
   select g.value, a.id from ${joined}, json_each(b.genres) g where a.genres <> b.genres`,
)
const update = db.prepare(
  `update animes set (${kept}) = (${of('b')}) from batch b
   where b.source_id = animes.source_id and (${of('animes')}) is not (${of('b')})`,
)
const add = db.prepare(
  `insert into animes (source_id, ${kept}) select source_id, ${kept} from batch b
   ${existing === 0 ? '' : 'where not exists (select 1 from animes a where a.source_id = b.source_id)'}
   order by line`,
)
const addGenres = db.prepare(
  `insert into anime_genres (genre, anime_id)
   select g.value, a.id from animes a, json_each(a.genres) g where a.id > ?`,
)

/** Upserts a batch and gives the rows left out because an earlier row has their `source_id`. */
function load(rows: BatchRow[]): BatchRow[] {
  const fresh = insert.seen(rows.flatMap((row) => [row.source_id, row.line]))
  const repeats = (row: BatchRow) => lineSeen.get(row.source_id)!.line !== row.line
  const left = fresh === rows.length ? [] : rows.filter(repeats)
  const taken = fresh === rows.length ? rows : rows.filter((row) => !left.includes(row))
  clearBatch.run()
  insert.batch(taken.flatMap((row) => columns.map((column) => row[column])))
  let changed = 0
  if (existing > 0) {
    dropChangedGenres.run()
    addChangedGenres.run()
    changed = Number(update.run().changes)
  }
  const before = Number(lastId.get()!.value)
  const added = Number(add.run().changes)
  addGenres.run(before)
  counts.added += added
  counts.changed += changed
  counts.unchanged += taken.length - added - changed
  return left
}

function finish() {
  if (replace) {
    const gone = db.prepare(
      'delete from animes where source_id is null or source_id not in (select source_id from seen)',
    )
    counts.removed = Number(gone.run().changes)
  }
  for (const sql of dropped) db.exec(sql)
  const { added, changed, removed } = counts
  if (added + changed + removed > 0) db.exec("insert into outbox (tags) values ('*')")
  db.exec(dryRun ? 'rollback' : 'commit')
  return counts
}

function dropIndexes(): string[] {
  const indexes = db
    .prepare(
      `select name, sql from sqlite_master
       where type = 'index' and tbl_name in ('animes', 'anime_genres') and sql is not null`,
    )
    .all()
  for (const { name } of indexes) db.exec(`drop index ${name}`)
  return indexes.map(({ sql }) => sql as string)
}

function scalar(sql: string): number {
  return Number(Object.values(db.prepare(sql).get()!)[0])
}

/** One statement for 100 rows costs a third of 100 statements. Gives the number of rows inserted. */
function multiRowInsert(sql: string, width: number) {
  const rowsAtOnce = 100
  const row = `(${Array(width).fill('?').join()})`
  const many = db.prepare(`${sql} values ${Array(rowsAtOnce).fill(row).join()}`)
  const one = db.prepare(`${sql} values ${row}`)
  return (values: SQLInputValue[]): number => {
    let changes = 0
    let at = 0
    for (; at + width * rowsAtOnce <= values.length; at += width * rowsAtOnce) {
      changes += Number(many.run(...values.slice(at, at + width * rowsAtOnce)).changes)
    }
    for (; at < values.length; at += width) {
      changes += Number(one.run(...values.slice(at, at + width)).changes)
    }
    return changes
  }
}

function answer(request: Request): Reply {
  if ('load' in request) return { left: load(request.load) }
  if ('finish' in request) return { counts: finish() }
  if (db.isTransaction) db.exec('rollback')
  return {}
}

parentPort!.on('message', (request: Request) => {
  try {
    parentPort!.postMessage(answer(request))
  } catch (error) {
    parentPort!.postMessage({ error })
  }
})
parentPort!.postMessage({ existing } satisfies Reply)
