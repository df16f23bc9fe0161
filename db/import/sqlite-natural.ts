import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { sortTitle } from '../../catalogue/words.ts'
import type { StageOptions } from './import.ts'
import { earlierRow, severalTitles } from './left-out.ts'
import { type Reply, storedColumns } from './sqlite.ts'
import { merger } from './sqlite-merge.ts'
import type { ImportedWords } from './sqlite-words.ts'

/** A row without a `source_id`: its `storedColumns`, and where it stands in its batch. */
export interface NaturalRow {
  position: number
  /** The id of the title in the export of this service that the row comes from. */
  exportedId: number | null
  values: SQLInputValue[]
}

interface Options extends Pick<StageOptions, 'hasSourceIds' | 'natural' | 'given'> {
  existing: number
  /** Whether a row `b` says something else than the title `a`. */
  changed: string
  words: ImportedWords
}

type Left = NonNullable<Reply['left']>

/**
 * Loads rows that columns other than `source_id` identify: the title that has the id under which this
 * service exported the row and still its name, else the one title with the same title, type and year (of
 * these, what the file has). In a file that has source ids, only titles without one come into question.
 */
export function naturalLoader(db: DatabaseSync, options: Options) {
  const { existing, hasSourceIds, natural, given, changed, words } = options
  const names = storedColumns.join(', ')
  db.exec(`
    create temp table unnamed (position integer primary key, exported_id integer, known integer,
      candidates integer, ${names});
    create temp table seen_keys (key text primary key) without rowid;
    create temp table kept (id integer primary key)
  `)
  const places = natural.map((name) => storedColumns.indexOf(name))
  const keyOf = ({ exportedId, values }: NaturalRow) =>
    exportedId === null ? JSON.stringify(places.map((at) => values[at])) : String(exportedId)
  const see = db.prepare('insert or ignore into seen_keys (key) values (?)')
  const insert = db.prepare(
    `insert into unnamed (position, exported_id, ${names}) values (?, ?, ${storedColumns.map(() => '?')})`,
  )
  const clear = db.prepare('delete from unnamed')
  const identify = existing === 0 ? () => [] : identifier(db, hasSourceIds, natural)
  const merge = merger(db, { table: 'unnamed', on: 'b.known = a.id', given, changed, words })
  const titleAt = storedColumns.indexOf('title')
  const sortTitleAt = storedColumns.indexOf('sort_title')
  const lastId = db.prepare('select coalesce(max(id), 0) as id from animes')
  const add = db.prepare(
    `insert into animes (${names}) select ${names} from unnamed where known is null order by position`,
  )
  const keep = db.prepare('insert or ignore into kept (id) select id from animes where id > ?')
  return (rows: NaturalRow[], last: number) => {
    const left: Left = []
    const counts = { added: 0, changed: 0, unchanged: 0 }
    if (rows.length === 0) return { left, ...counts }
    clear.run()
    for (const row of rows) {
      if (see.run(keyOf(row)).changes === 0) {
        left.push({
          position: row.position,
          reason: earlierRow(natural),
        })
      } else {
        row.values[sortTitleAt] = sortTitle(String(row.values[titleAt]))
        insert.run(row.position, row.exportedId, ...row.values)
      }
    }
    left.push(...identify())
    counts.changed = merge()
    const before = Number(lastId.get()!.id)
    counts.added = Number(add.run().changes)
    words.addAfter(before)
    counts.unchanged = rows.length - left.length - counts.changed - counts.added
    // What this import has added is no other row's title.
    if (existing > 0) keep.run(last)
    return { left, ...counts }
  }
}

/** Finds the title of each row, and takes out the rows that could be several. */
function identifier(db: DatabaseSync, hasSourceIds: boolean, natural: Options['natural']) {
  const free = `a.id not in (select id from kept)${hasSourceIds ? ' and a.source_id is null' : ''}`
  // Found by the index of normal forms, which a row written by hand may lack; + keeps SQLite from that of
  // years.
  const sameTitle =
    "a.sort_title in (unnamed.sort_title, '') and a.title = unnamed.title collate binary"
  const same = natural.map((name) =>
    name === 'title' ? sameTitle : `+a.${name} is unnamed.${name}`,
  )
  const byExportedId = db.prepare(`
    update unnamed set known = (select a.id from animes a
      where a.id = unnamed.exported_id and ${sameTitle} and ${free})
    where exported_id is not null`)
  const byValues = db.prepare(`
    update unnamed set (known, candidates) = (select min(a.id), count(*) from animes a
      where ${same.join(' and ')} and ${free})
    where known is null`)
  const keep = db.prepare(
    'insert or ignore into kept (id) select known from unnamed where known is not null',
  )
  // Of rows that only the ids of another database tell apart, one is the title, the others are new.
  const oneEach = db.prepare(`
    update unnamed set known = null where candidates = 1 and position > (
      select min(b.position) from unnamed b where b.known = unnamed.known)`)
  const several = db.prepare('select position from unnamed where candidates > 1')
  const drop = db.prepare('delete from unnamed where candidates > 1')
  const reason = severalTitles(natural)
  return (): Left => {
    byExportedId.run()
    keep.run()
    byValues.run()
    const left = several.all().map(({ position }) => ({ position: Number(position), reason }))
    if (left.length > 0) drop.run()
    oneEach.run()
    keep.run()
    return left
  }
}
