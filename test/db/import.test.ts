import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openDatabase } from '../../db/database.ts'
import { csvHeader, generateCsv } from '../../db/import/generate.ts'
import { type ImportOptions, importCatalogue, type Reject } from '../../db/import/import.ts'
import { sqliteStage } from '../../db/import/sqlite.ts'
import { migrate } from '../../db/migrate.ts'
import { type Teardown, temporaryFolder } from '../support/app.ts'

const header = csvHeader.join()
const line = (id: number | string, title: string, rest = "TV,2001,7.5,12,,,,['Action'],[]") =>
  `${id},${title},,${rest}`
const csv = (...lines: string[]) => `${[header, ...lines].join('\r\n')}\r\n`

/** An empty, migrated catalogue, and another connection to look at it. */
async function catalogue(t: Teardown) {
  const path = join(temporaryFolder(t), 'anime.db')
  const database = await openDatabase(`sqlite:${path}`)
  await migrate(database)
  await database.close()
  const db = new DatabaseSync(path)
  t.teardown(() => db.close())
  const value = (sql: string) => Object.values(db.prepare(sql).get() ?? {})[0]
  const titles = () => db.prepare('select * from animes order by source_id').all()
  const rejects: Reject[] = []
  const load = (text: string | Iterable<string | Buffer>, options: ImportOptions = {}) =>
    importCatalogue(typeof text === 'string' ? [text] : text, sqliteStage(path), {
      onReject: (reject) => rejects.push(reject),
      ...options,
    })
  /** Everything that an import may touch, to compare. */
  const all = () =>
    JSON.stringify([
      titles(),
      db.prepare('select * from anime_genres order by genre, anime_id').all(),
      db.prepare('select * from outbox').all(),
      db.prepare('select name, sql from sqlite_master order by name').all(),
    ])
  return { path, db, value, titles, rejects, load, all }
}

t.test('an import fills the tables, keeps every index and tells the cache', async (t) => {
  const { db, value, titles, load } = await catalogue(t)
  const schema = () => db.prepare('select name, sql from sqlite_master order by name').all()
  const before = schema()
  const summary = await load(
    csv(line(7, 'Akira', `MOVIE,1988,8.2,1,,,,"['Action', ""Coup d'etat""]",[]`), line(9, 'Nana')),
  )
  t.same(summary, { read: 2, added: 2, changed: 0, unchanged: 0, removed: 0, rejected: 0 })
  t.match(titles()[0], {
    source_id: 7,
    title: 'Akira',
    type: 'MOVIE',
    year: 1988,
    score: 8.2,
    episodes: 1,
    genres: `["Action","Coup d'etat"]`,
  })
  t.equal(value('select count(*) from anime_genres'), 3)
  t.equal(value('select tags from outbox'), '*')
  t.same(schema(), before)
  t.equal(value('pragma integrity_check'), 'ok')
  t.same(db.prepare('pragma foreign_key_check').all(), [])
})

t.test('the same file twice changes nothing: no commit, no outbox row', async (t) => {
  const { value, load, all } = await catalogue(t)
  await load(generateCsv(3000))
  const before = all()
  const version = value('pragma data_version')
  const summary = await load(generateCsv(3000))
  t.match(summary, { read: 3000, added: 0, changed: 0, unchanged: 3000, removed: 0 })
  t.match(await load(generateCsv(3000), { replace: true }), { unchanged: 3000, removed: 0 })
  t.equal(value('pragma data_version'), version)
  t.equal(all(), before)
})

t.test('a later file adds, changes and keeps, by animeID', async (t) => {
  const { value, titles, load, db } = await catalogue(t)
  await load(csv(line(1, 'one'), line(2, 'two'), line(3, 'three')))
  const ids = titles().map(({ id }) => id)
  const summary = await load(
    csv(line(2, 'TWO'), line(3, 'three', "TV,?,?,?,,,,['Drama'],[]"), line(4, 'four')),
  )
  t.match(summary, { read: 3, added: 1, changed: 2, unchanged: 0, removed: 0 })
  t.same(
    titles().map(({ title }) => title),
    ['one', 'TWO', 'three', 'four'],
    'a change of case is a change',
  )
  t.match(titles()[2], { year: null, score: null, episodes: null })
  t.same(
    titles().map(({ id }) => id),
    [...ids, 4],
    'a title keeps its id',
  )
  t.equal(value("select group_concat(anime_id) from anime_genres where genre = 'Drama'"), '3')
  t.same(db.prepare('pragma foreign_key_check').all(), [])
})

t.test('--replace removes what the file does not have, and its genres', async (t) => {
  const { db, value, titles, load } = await catalogue(t)
  await load(csv(line(1, 'one'), line(2, 'two')))
  db.exec("insert into animes (title, type, genres) values ('by hand', 'TV', '[]')")
  t.match(await load(csv(line(2, 'two')), { replace: true }), { unchanged: 1, removed: 2 })
  t.equal(titles().length, 1)
  t.equal(value('select count(*) from anime_genres'), 1)
  t.equal(value('select count(*) from outbox'), 2)
})

t.test('--replace with no row to take leaves the table as it was', async (t) => {
  const { load, all } = await catalogue(t)
  await load(csv(line(1, 'one')))
  const before = all()
  await t.rejects(load(csv(line('x', 'one'), line(2, '')), { replace: true }), {
    name: 'ImportError',
    message:
      'all 2 rows were rejected; line 2: animeID: not a whole number from 0 to 2147483647: "x"',
  })
  await t.rejects(load(csv(), { replace: true }), { message: /no rows under its header/ })
  await t.rejects(load('', { replace: true }), { message: 'the file is empty' })
  await t.rejects(load('\uFEFF', { replace: true }), { message: 'the file is empty' })
  t.equal(all(), before)
})

t.test('a dry run counts the same and keeps nothing', async (t) => {
  const { value, load, all } = await catalogue(t)
  const empty = all()
  t.match(await load(generateCsv(50), { dryRun: true }), { added: 50 })
  t.equal(all(), empty)
  await load(generateCsv(50))
  const version = value('pragma data_version')
  t.match(await load(generateCsv(80), { dryRun: true, replace: true }), { added: 30 })
  t.equal(value('pragma data_version'), version)
})

t.test('onlyIfEmpty reads nothing of the file when there are titles', async (t) => {
  const { load } = await catalogue(t)
  t.match(await load(generateCsv(5), { onlyIfEmpty: true }), { added: 5 })
  t.match(await load(generateCsv(9), { onlyIfEmpty: true }), { read: 0, added: 0 })
})

t.test('a row that cannot be taken is told with its line, and the rest goes on', async (t) => {
  const { titles, rejects, load } = await catalogue(t)
  const summary = await load(
    csv(
      line(1, '"two\r\nlines"'),
      line(2, 'bad score', 'TV,2001,nine,12,,,,[],[]'),
      '',
      line(3, 'too,many'),
      line(4, '"a" b"'),
      line(5, 'a "b" c'),
      line(1, 'again'),
      line(6, 'last'),
    ),
  )
  t.same(
    titles().map(({ source_id }) => source_id),
    [1, 6],
  )
  t.match(summary, { read: 7, added: 2, rejected: 5 })
  t.same(rejects.map(({ line, column, reason }) => [line, column, reason]).sort(), [
    [4, 'score', 'not a number from 0 to 10'],
    [6, '', 'not as many fields as the header: 13, not 12'],
    [7, 'title', 'text after a closing quote'],
    [8, 'title', 'a quote inside a field that does not begin with one'],
    [9, 'animeID', 'an earlier row has this animeID'],
  ])
})

t.test('an animeID is known again in a later batch, and over existing titles', async (t) => {
  const { titles, rejects, load } = await catalogue(t)
  for (const round of [1, 2]) {
    await load(csv(line(1, 'a'), line(2, 'b'), line(1, 'c'), line(3, 'd')), { batch: 1 })
    t.same(
      titles().map(({ title }) => title),
      ['a', 'b', 'd'],
    )
    t.equal(rejects.length, round)
  }
})

t.test('a quote that swallows lines is told for each line it is met on', async (t) => {
  const { rejects, load } = await catalogue(t)
  const text = [
    'animeID,title,type,year,score,episodes,genres',
    '1,a,,,,,',
    '2,"b" x,,,,,',
    '3,c,,,,,',
  ]
  await load([...text, '4,"d",,,,,', '5,e,,,,,', ''].join('\n'))
  t.same(
    rejects.map(({ line, reason }) => [line, reason]),
    [
      [3, 'text after a closing quote'],
      [5, 'swallowed by the bad quote of line 3'],
    ],
  )
})

t.test('line ends may be LF, CRLF or mixed, and a BOM may come first', async (t) => {
  for (const text of [
    `\uFEFF${csv(line(1, 'Café'), line(2, 'b'))}`,
    csv(line(1, 'Café'), line(2, 'b')).replaceAll('\r\n', '\n'),
    `${header}\r\n${line(1, 'Café')}\n${line(2, 'b')}`,
  ]) {
    const { titles, load } = await catalogue(t)
    t.match(await load(text), { added: 2, rejected: 0 })
    t.equal(titles()[0]!.title, 'Café')
  }
  const { titles, load } = await catalogue(t)
  const bytes = Buffer.from(`\uFEFF${csv(line(1, '雪国'))}`)
  await load(Array.from(bytes, (byte) => Buffer.from([byte])))
  t.equal(titles()[0]!.title, '雪国', 'cut between any two bytes')
})

t.test('a file without a usable header, or a row without end, changes nothing', async (t) => {
  const { load, all } = await catalogue(t)
  await load(csv(line(1, 'one')))
  const before = all()
  const files: [string | Buffer[], RegExp][] = [
    ['id;titel2\r\n1;x\r\n', /^no column for the title: the header has "id", "titel2"; known are /],
    [`${header},title\r\n`, /^the title may be "title", "title": say which with --map title=NAME/],
    ['animeID,title,ye"ar\r\n', /^the header: a quote inside/],
    [[Buffer.alloc(100_000, 0xff)], /^no column for the title/],
    [[Buffer.alloc(100_000, 1)], /^the file is no text/],
    [
      csv(line(2, 'x'), line(3, '"never closed'), line(4, 'y')),
      /^from line 3 on: a quote is never closed/,
    ],
    [csv(line(2, '"x" y'), line(3, 'z')), /^from line 2 on: a quote is never closed/],
    [csv(line(2, 'x'), line(3, 'x'.repeat(1_100_000)), line(4, 'y')), /^from line 3 on: .* 1 MiB/],
  ]
  for (const [text, message] of files) {
    await t.rejects(load(text), { name: 'ImportError', message }, String(message))
  }
  t.equal(all(), before)
})

t.test('broken characters in UTF-8 are refused row by row', async (t) => {
  const { rejects, load } = await catalogue(t)
  const bytes = Buffer.from(csv(line(1, 'Café, '.repeat(3).replaceAll(',', '')), line(2, 'Caf~')))
  bytes[bytes.indexOf('~')] = 0xe9
  t.match(await load([bytes]), { added: 1, rejected: 1 })
  t.match(rejects, [{ line: 3, column: 'title', reason: /^not UTF-8 text/ }])
})

t.test('an abort rolls back at any moment, and frees the database', async (t) => {
  const { db, load, all } = await catalogue(t)
  await load(generateCsv(50))
  const before = all()
  const moments: Record<string, (stop: () => void) => ImportOptions> = {
    'before it begins': (stop) => {
      stop()
      return {}
    },
    'after a batch': (stop) => ({ onProgress: stop }),
    'when all is read': (stop) => ({ onRead: stop }),
  }
  for (const [moment, options] of Object.entries(moments)) {
    const controller = new AbortController()
    const stop = () => controller.abort()
    const importing = load(generateCsv(20_000), { signal: controller.signal, ...options(stop) })
    await t.rejects(importing, { name: 'ImportError', message: /^stopped/ }, moment)
    t.equal(all(), before, moment)
    db.exec('begin immediate; rollback')
  }
})

t.test('a failure of the caller, the file or the thread rolls back and is told', async (t) => {
  const { path, load, all } = await catalogue(t)
  await load(generateCsv(50))
  const before = all()
  const full = new Error('disk full')
  const fail = () => {
    throw full
  }
  await t.rejects(load(csv(line(1, 'x'), line('y', 'y')), { onReject: fail }), full)
  await t.rejects(load(generateCsv(9000), { onProgress: fail }), full)
  await t.rejects(load(generateCsv(60), { onRead: fail }), full)
  async function* broken() {
    yield csv(line(1, 'changed'))
    throw full
  }
  await t.rejects(importCatalogue(broken(), sqliteStage(path)), full)
  t.equal(all(), before)
})

t.test('requests to a stage whose thread has ended reject', async (t) => {
  const { path } = await catalogue(t)
  const stage = await sqliteStage(path)({
    ...{ replace: false, dryRun: false, hasSourceIds: true, natural: [], given: ['title'] },
  })
  const loading = stage.load([])
  await stage.abort()
  await t.rejects(Promise.all([loading, stage.load([])]), /ended/)
  await t.rejects(stage.finish(), /ended/)
  await stage.abort()
})

t.test('the built-in catalogue of 20,238 titles is taken whole', async (t) => {
  const { value, load } = await catalogue(t)
  t.match(await load(generateCsv()), { read: 20_238, added: 20_238, rejected: 0 })
  t.equal(value('select count(*) from animes'), 20_238)
})
