import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openDatabase } from '../../db/database.ts'
import { type Database, DatabaseUnavailable } from '../../db/dialects/dialect.ts'
import { openSqlite } from '../../db/dialects/sqlite.ts'
import { migrate } from '../../db/migrate.ts'
import { temporaryFolder } from '../support/app.ts'

const title = { title: 'Title', type: 'TV', genres: '[]' }

async function open(t: Test) {
  const path = join(temporaryFolder(t), 'anime.db')
  const database = await openDatabase(`sqlite:${path}`)
  t.teardown(() => database.close())
  await migrate(database)
  return { database, path }
}

const write = ({ writer }: Database) =>
  writer.transaction().execute((trx) => trx.insertInto('animes').values(title).execute())

const count = async ({ reader }: Database) =>
  (await reader.selectFrom('animes').select('id').execute()).length

t.test('what a write has committed, the reader sees; what it has not, nobody', async (t) => {
  const { database } = await open(t)
  await database.writer.transaction().execute(async (trx) => {
    await trx.insertInto('animes').values(title).execute()
    t.equal(await count(database), 0)
  })
  t.equal(await count(database), 1)
  await t.rejects(
    database.writer.transaction().execute(async (trx) => {
      await trx.insertInto('animes').values(title).execute()
      throw new Error('no')
    }),
    /no/,
  )
  t.equal(await count(database), 1)
})

t.test('the reader cannot write', async (t) => {
  const { database } = await open(t)
  await t.rejects(database.reader.insertInto('animes').values(title).execute(), /readonly/)
})

t.test('the foreign version moves with the commits of others, not with our own', async (t) => {
  const { database, path } = await open(t)
  const version = database.foreignVersion!
  const before = version()
  await database.writer.insertInto('animes').values(title).execute()
  await count(database)
  t.equal(version(), before, 'our own')
  const other = new DatabaseSync(path)
  other.exec('begin immediate')
  other.exec(`insert into animes (title, type, genres) values ('x', 'TV', '[]')`)
  t.equal(version(), before, 'not committed')
  other.exec('commit')
  const after = version()
  t.not(after, before, 'committed')
  t.equal(version(), after)
  other.close()
})

t.test('a write waits for another process without stopping this one', async (t) => {
  const { database, path } = await open(t)
  // Too little for twenty turns if each attempt were to wait on the event loop.
  const writing = openSqlite(path, { writeTimeout: 1500 })
  const other = new DatabaseSync(path)
  other.exec('begin immediate')
  let turns = 0
  const turning = setInterval(() => {
    turns += 1
    if (turns === 20) other.exec('commit')
  }, 5)
  t.teardown(async () => {
    clearInterval(turning)
    other.close()
    await writing.close()
  })
  await write(writing)
  t.ok(turns >= 20, `${turns} turns of the event loop`)
  t.equal(await count(database), 1)
})

t.test('a write that waits in the queue waits no longer than the first', async (t) => {
  const { path } = await open(t)
  const database = openSqlite(path, { writeTimeout: 200 })
  const other = new DatabaseSync(path)
  t.teardown(async () => {
    other.close()
    await database.close()
  })
  other.exec('begin immediate')
  const writes = [1, 2, 3, 4, 5].map(() => write(database))
  const settled = Promise.allSettled(writes)
  await t.rejects(writes[0]!, DatabaseUnavailable)
  const late = write(database)
  // The others have waited as long: none of them waits for this.
  setTimeout(() => other.exec('commit'), 100)
  for (const { status, reason } of (await settled) as PromiseRejectedResult[]) {
    t.match(reason, DatabaseUnavailable, status)
  }
  await late
  t.equal(await count(database), 1, 'one that came later has its own time')
})

t.test('reading goes on while another process holds the database', async (t) => {
  const { database, path } = await open(t)
  const other = new DatabaseSync(path)
  t.teardown(() => other.close())
  other.exec('begin immediate')
  t.equal(await count(database), 0, 'reading goes on')
  const alone = database.writer.insertInto('animes').values(title).execute()
  await t.rejects(alone, DatabaseUnavailable, 'a statement without a transaction')
})

t.test('many writers on several connections lose nothing', async (t) => {
  const { database, path } = await open(t)
  const others = await Promise.all([1, 2, 3].map(() => openDatabase(`sqlite:${path}`)))
  t.teardown(() => Promise.all(others.map((other) => other.close())))
  const writes = [database, ...others].flatMap((each) =>
    Array.from({ length: 50 }, () => write(each)),
  )
  await Promise.all(writes)
  t.equal(await count(database), 200)
})

t.test('a database that cannot be shared is refused', async (t) => {
  await t.rejects(openDatabase('sqlite::memory:'), /needs a file/)
})
