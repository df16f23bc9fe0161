import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32, gzipSync } from 'node:zlib'
import t from 'tap'
import { csvHeader, generateCsv } from '../../db/import/generate.ts'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { root, run } from '../support/process.ts'
import { until } from '../support/until.ts'

// Most of the time goes into waiting: for child processes, and some seconds for a lock.
t.jobs = 3

/** A folder with a database and files; `start` runs the command in it. */
function workplace(t: Teardown) {
  const folder = temporaryFolder(t)
  const path = (name: string) => join(folder, name)
  const env = { DATABASE_URL: `sqlite:${path('anime.db')}` }
  const start = (...args: string[]) => run(t, 'bin/import.ts', args, env, folder)
  const imports = async (...args: string[]) => {
    const running = start(...args)
    const { code } = await running.exited
    return { code, stdout: running.stdout(), stderr: running.stderr() }
  }
  const write = (name: string, text: string | Buffer) => writeFileSync(path(name), text)
  /** Opens the database for one query, and closes it again. */
  const query = (sql: string) => {
    const db = new DatabaseSync(path('anime.db'))
    try {
      return db.prepare(sql).all()
    } finally {
      db.close()
    }
  }
  const generated = async (name: string, rows: number) => {
    await pipeline(Readable.from(generateCsv(rows)), createWriteStream(path(name)))
  }
  const titles = () => Number(query('select count(*) as n from animes')[0]!.n)
  return { path, start, imports, write, query, generated, titles }
}

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const small = (...rows: string[]) => [csvHeader.join(), ...rows, ''].join('\n')
const good = '1,Akira,,MOVIE,1988,8.1,1,,,,[],[]'
const bad = '2,Nana,,TV,soon,8.1,1,,,,[],[]'

t.setTimeout(300_000)

t.test('exit code 0 and a summary when every row is taken', async (t) => {
  const { imports, write, titles } = workplace(t)
  write('a.csv', small(good))
  const { code, stdout } = await imports('a.csv')
  t.equal(code, 0)
  t.match(stdout, /^1 rows read in [\d.]+ s \(\d+ rows\/s\): 1 added, 0 changed, .* 0 rejected\n$/)
  t.equal(titles(), 1)
  t.match((await imports('a.csv')).stdout, /0 added, 0 changed, 1 unchanged/)
})

t.test('exit code 2 and a rejects file when some are not', async (t) => {
  const { imports, write, path } = workplace(t)
  write('a.csv', small(good, bad, '3,Nana,,TV,"a ""year""",,,,,,[],[]'))
  const { code, stdout, stderr } = await imports('a.csv', '--rejects', 'out.csv')
  t.equal(code, 2)
  t.match(stdout, /1 added, .* 2 rejected/)
  t.match(stderr, /rejected rows: out\.csv/)
  t.equal(
    readFileSync(path('out.csv'), 'utf8'),
    [
      'line,column,reason,value',
      '3,"year","not a whole number from 1900 to 2100","soon"',
      '4,"year","not a whole number from 1900 to 2100","a ""year"""',
      '',
    ].join('\r\n'),
  )
  t.equal((await imports('a.csv', '--dry-run')).code, 2)
  t.ok(existsSync(path('a.csv.rejects.csv')), 'the default name')
})

t.test('every way out leaves the rejected rows complete', async (t) => {
  const { imports, write, path } = workplace(t)
  const lines = (name: string) => readFileSync(path(name), 'utf8').split('\r\n').length - 2
  write('all.csv', small(bad, bad, bad, bad, bad))
  const all = await imports('all.csv')
  t.match(all, {
    code: 1,
    stderr: /^import: all 5 rows were rejected; line 2: year: [^\n]+"soon"$/m,
  })
  t.equal(lines('all.csv.rejects.csv'), 5, 'when all are rejected')
  const rows = [good, ...Array.from({ length: 5000 }, () => bad)]
  write('broken.csv', `${small(...rows)}9,"never closed`)
  t.match(await imports('broken.csv', '--rejects', 'out.csv'), { code: 1, stderr: /never closed/ })
  t.ok(lines('out.csv') >= 5000, 'when the file ends badly')
  write('out.csv', 'what was there')
  t.match(await imports('none.csv', '--rejects', 'out.csv'), { code: 1 })
  t.equal(readFileSync(path('out.csv'), 'utf8'), 'what was there', 'or what was there')
  write('many.csv', small(...rows))
  t.match(await imports('many.csv', '--rejects', 'out.csv'), { code: 2, stderr: /rejected rows: / })
  t.equal(lines('out.csv'), 5000, 'when some are taken')
  t.same(
    readdirSync(path('.')).filter((name) => name.includes('partial')),
    [],
  )
})

t.test(
  'the rejects file may be a link, which stays, or a device or pipe, which is written to',
  async (t) => {
    const { imports, write, path } = workplace(t)
    const rows = '3,"year","not a whole number from 1900 to 2100","soon"\r\n'
    write('a.csv', small(good, bad))
    write('target.csv', 'what was there')
    symlinkSync('target.csv', path('link.csv'))
    t.match(await imports('a.csv', '--rejects', 'link.csv'), { code: 2 })
    t.ok(lstatSync(path('link.csv')).isSymbolicLink())
    t.ok(readFileSync(path('target.csv'), 'utf8').endsWith(rows))
    execFileSync('mkfifo', [path('pipe')])
    // Open for both, and never waited for.
    const pipe = openSync(path('pipe'), constants.O_RDWR | constants.O_NONBLOCK)
    t.teardown(() => closeSync(pipe))
    t.match(await imports('a.csv', '--rejects', 'pipe'), { code: 2 })
    t.ok(lstatSync(path('pipe')).isFIFO())
    const read = Buffer.alloc(1000)
    t.ok(read.toString('utf8', 0, readSync(pipe, read)).endsWith(rows))
  },
)

t.test('exit code 1, one line on stderr and nothing done otherwise', async (t) => {
  const { imports, write, path, titles } = workplace(t)
  write('good.csv', small(good))
  write('bad.csv', small(good.replace('Akira', 'Other'), bad))
  write('empty.csv', '')
  write('broken.csv.gz', gzipSync(small(good)).subarray(0, 60))
  write('notes.gz', 'plain text')
  mkdirSync(path('folder'))
  t.equal((await imports('good.csv')).code, 0)
  const calls: [string[], RegExp][] = [
    [[], /wants one file/],
    [['good.csv', 'bad.csv'], /wants one file/],
    [['good.csv', '--fast'], /Unknown option '--fast'/],
    [['good.csv', '--batch', '0'], /--batch: got "0", wants/],
    [['none.csv'], /there is no file none\.csv/],
    [['folder'], /the file is a folder/],
    [['empty.csv', '--replace'], /the file is empty/],
    [['broken.csv.gz'], /not whole gzip or zstd data/],
    [['notes.gz'], /no column for the title: the header has "plain text"/],
    [['good.csv', '--map', 'name'], /--map: got "name", wants title=NAME/],
    [['good.csv', '--map', 'name=title'], /--map: there is no column "name"; it takes id, title/],
    [['good.csv', '--scale', 'ten'], /--scale: got "ten", wants/],
    [['good.csv', '--separator', ''], /--separator: got nothing, wants a text/],
    [['good.csv', '--strict', '--scale', '5'], /--strict takes no --scale/],
    [['good.csv', '--entry', 'x'], /--entry: the file is no zip archive/],
    [['good.csv', '--encoding', 'utf-9'], /--encoding: there is none called "utf-9"/],
    [['bad.csv', '--rejects', 'none/out.csv'], /cannot write the rejected rows: ENOENT/],
    [['bad.csv', '--rejects', 'bad.csv'], /bad\.csv is the file to import/],
  ]
  await Promise.all(
    calls.map(async ([args, message]) => {
      const { code, stdout, stderr } = await imports(...args)
      t.equal(code, 1, args.join(' '))
      t.match(stderr, message)
      t.match(stderr, /^import: [^\n]+\n$/, 'one line')
      t.equal(stdout, '')
    }),
  )
  t.equal(titles(), 1)
  t.equal(readFileSync(path('bad.csv'), 'utf8').includes('Other'), true)
})

t.test('a gz file is read as the file in it', async (t) => {
  const { imports, write, query } = workplace(t)
  write('a.csv.gz', gzipSync([...generateCsv(3000)].join('')))
  t.match(await imports('a.csv.gz'), { code: 0, stdout: /3000 added/ })
  t.equal(query('select title from animes').length, 3000)
})

t.test(
  'a zip archive is read as the one catalogue in it, and standard input as a file',
  async (t) => {
    const { imports, start, write, titles } = workplace(t)
    write('a.zip', zip({ 'notes.md': 'no', 'data/a.csv': small(good), '__MACOSX/a.csv': '' }))
    t.match(await imports('a.zip'), { code: 0, stdout: /1 added/ })
    write('two.zip', zip({ 'a.csv': small(good), 'b.csv': small(bad) }))
    t.match(await imports('two.zip'), {
      code: 1,
      stderr: /^import: the zip archive has a\.csv, b\.csv: name one with --entry\n$/,
    })
    t.match(await imports('two.zip', '--entry', 'a.csv'), { code: 0, stdout: /1 unchanged/ })
    write('book.zip', zip({ '[Content_Types].xml': '', 'xl/sheet.csv': '' }))
    t.match(await imports('book.zip'), {
      code: 1,
      stderr: /an office document: save the sheet as CSV/,
    })
    write('cut.zip', zip({ 'a.csv': small(good) }).subarray(0, 40))
    t.match(await imports('cut.zip'), {
      code: 1,
      stderr: /^import: the zip archive cannot be read: /,
    })
    const running = start('-')
    running.child.stdin!.end(gzipSync(small(good, '2,Nana,,TV,2006,8.5,47,,,,[],[]')))
    t.equal((await running.exited).code, 0)
    t.equal(titles(), 2)
  },
)

t.test('--list-columns says what each column is taken for, and needs no database', async (t) => {
  const { imports, write, path } = workplace(t)
  write('a.csv', 'uid,name,rating,Aired\n7,Akira,8.2,Jul 1988\n8,,9,\n')
  const { code, stdout } = await imports('a.csv', '--list-columns', '--map', 'score=rating')
  t.equal(code, 0)
  t.equal(
    stdout,
    [
      'header: "uid", "name", "rating", "Aired"',
      '  id        "uid"',
      '  title     "name"',
      '  type      not there',
      '  year      "Aired"',
      '  score     "rating"',
      '  episodes  not there',
      '  genres    not there',
      'columns: id = uid, title = name, year = Aired, score = rating; no type, episodes, genres',
      'rows:',
      '  {"source_id":7,"title":"Akira","type":"UNKNOWN","year":1988,"score":8.2,"episodes":null,"genres":"[]"}',
      '  rejected: name: missing: ""',
      '',
    ].join('\n'),
  )
  t.notOk(existsSync(path('anime.db')))
})

t.test('--help says what there is', async (t) => {
  const { imports } = workplace(t)
  const { code, stdout } = await imports('--help')
  t.equal(code, 0)
  for (const option of ['--replace', '--dry-run', '--rejects', '--batch']) t.match(stdout, option)
})

t.test('a database held by another process, or that is none, is one line', async (t) => {
  const { imports, write, path } = workplace(t)
  write('a.csv', small(good))
  await imports('a.csv')
  const other = new DatabaseSync(path('anime.db'))
  other.exec('begin immediate')
  const held = await imports('a.csv')
  t.match(held, { code: 1, stderr: /^import: another process holds the database\n$/ })
  other.close()
  write('anime.db', 'not a database, but a text that is long enough to be read as one'.repeat(20))
  t.match(await imports('a.csv'), { code: 1, stderr: /^import: the database: [^\n]+\n$/ })
})

t.test('stopped or killed at any moment, the table is as before', async (t) => {
  const { path, start, imports, generated, query } = workplace(t)
  await generated('few.csv', 500)
  await generated('many.csv', 80_000)
  await imports('few.csv')
  const content = () =>
    JSON.stringify([query('select * from animes'), query('select * from outbox')])
  const before = content()
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGINT', 'SIGKILL'] as const) {
    const running = start('many.csv', '--replace')
    await until(
      'uncommitted rows are on the disk',
      () => sizeOf(path('anime.db-wal')) > 1e6,
      60_000,
    )
    await sleep(Math.random() * 100)
    running.child.kill(signal)
    const { code } = await running.exited
    if (signal !== 'SIGKILL') {
      t.equal(code, 1, signal)
      t.match(running.stderr(), /import: stopped; nothing was changed\n$/)
    }
    t.equal(content(), before, signal)
    t.match(query('pragma integrity_check'), [{ integrity_check: 'ok' }])
  }
  t.match(await imports('many.csv'), { code: 0, stdout: /79500 added, 0 changed, 500 unchanged/ })
})

t.test('peak memory does not grow with the file', async (t) => {
  const peaks: number[] = []
  const printPeak = "process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))"
  for (const rows of [20_000, 200_000]) {
    const { path, generated } = workplace(t)
    await generated('a.csv', rows)
    const running = run(t, 'bin/import.ts', [path('a.csv')], {
      DATABASE_URL: `sqlite:${path('anime.db')}`,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(printPeak)}`,
    })
    t.equal((await running.exited).code, 0)
    peaks.push(
      Number(
        running
          .stderr()
          .match(/peak (\d+)\n/g)!
          .at(-1)!
          .slice(5),
      ),
    )
  }
  const [low, high] = peaks as [number, number]
  t.ok(high / low <= 1.35, 'ten times the rows', { low, high })
})

/** A zip archive of these files, stored and not packed (APPNOTE 4.3). */
function zip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    const at = Buffer.alloc(14)
    at.writeUInt32LE(Buffer.concat(parts).length, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\0'), common, at, Buffer.from(name))
    parts.push(Buffer.from('PK\x03\x04'), common, Buffer.from(name), bytes)
  }
  const before = Buffer.concat(parts)
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(Object.keys(files).length, 8)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(listed.length, 12)
  end.writeUInt32LE(before.length, 16)
  return Buffer.concat([before, listed, end])
}

const data = join(root, '../shared/data')
const real = [
  ['animes.csv', 20_238],
  ['kaggle-sample.csv', 3200],
] as const
for (const [name, rows] of real) {
  const skip = existsSync(join(data, name)) ? false : `${name} is not beside the repository`
  t.test(`${name}: ${rows} rows, none rejected, twice the same`, { skip }, async (t) => {
    const { imports } = workplace(t)
    const first = await imports(join(data, name), '--replace')
    t.match(first, { code: 0, stdout: new RegExp(`^${rows} rows .* ${rows} added, .* 0 rejected`) })
    const second = await imports(join(data, name), '--replace')
    t.match(second, { code: 0, stdout: /0 added, 0 changed, \d+ unchanged, 0 removed/ })
  })
}
