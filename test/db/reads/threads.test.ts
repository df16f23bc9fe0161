import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { animeColumns } from '../../../catalogue/columns.ts'
import { exportedId } from '../../../catalogue/names.ts'
import { insertAnime } from '../../../db/animes.ts'
import { openDatabase } from '../../../db/database.ts'
import { type Database, TooManyReads } from '../../../db/dialects/dialect.ts'
import { generateCsv } from '../../../db/import/generate.ts'
import { importCatalogue } from '../../../db/import/import.ts'
import { openStage } from '../../../db/import/stage.ts'
import { migrate } from '../../../db/migrate.ts'
import type { ListQuery } from '../../../db/reads/list.ts'
import type { Read } from '../../../db/reads/read.ts'
import { createSemaphore } from '../../../db/reads/semaphore.ts'
import { streamLimits } from '../../../db/reads/stream.ts'
import type { ReaderOptions } from '../../../db/reads/threads.ts'
import { temporaryFolder } from '../../support/app.ts'
import { hostileTitles } from '../../support/hostile.ts'
import { finished, readList, sortBy } from '../../support/reads.ts'
import { sentStatements } from '../../support/statements.ts'

async function open(t: Test, titles: number, options: ReaderOptions = {}) {
  const url = `sqlite:${join(temporaryFolder(t), 'anime.db')}`
  const database = await openDatabase(url, options)
  t.teardown(() => database.close())
  await migrate(database)
  if (titles > 0) await importCatalogue(generateCsv(titles), openStage(url))
  return database
}

const title = {
  title: 'T',
  type: 'TV',
  year: 2001,
  score: 5,
  episodes: 1,
  genres: '["Drama"]',
} as const
const all: Read = { what: 'list', query: { filters: {}, sort: [] }, columns: animeColumns }

async function streamOf({ read }: Database): Promise<Readable> {
  const answer = await read(all)
  if (answer === undefined || !('stream' in answer)) throw new Error('it is not streamed')
  return answer.stream
}

t.test('a read sees every commit that ended before it was asked for', async (t) => {
  const database = await open(t, 10)
  for (let added = 1; added <= 200; added += 1) {
    await database.writer.transaction().execute((trx) => insertAnime(database, trx, title))
    const page = await readList(database, {
      filters: { genre: ['Drama'], year: 2001 },
      sort: [],
      limit: 1,
    })
    const whole = await readList(database, { filters: { type: 'TV', year: 2001 }, sort: [] })
    if (page.total < added || whole.total < added) t.fail(`${page.total} of ${added}`)
  }
})

t.test('a whole list has each title once, wherever its batches end', async (t) => {
  const database = await open(t, 1001)
  const rows = await database.reader.selectFrom('animes').select('id').orderBy('id').execute()
  const up = rows.map(({ id }) => id)
  for (const descending of [false, true]) {
    const ids = descending ? up.toReversed() : up
    const sort = [{ column: 'id' as const, descending }]
    for (const left of [0, 1, 499, 500, 501, 1000, 1001]) {
      const cursor = left === ids.length ? undefined : [ids[ids.length - left - 1]!]
      const list = await readList(database, { filters: {}, sort, cursor })
      t.strictSame(
        [list.total, list.data.map(({ id }) => id)],
        [1001, left ? ids.slice(-left) : []],
      )
    }
  }
  const exported = await database.read({ what: 'export', format: 'ndjson' })
  if (exported === undefined || !('stream' in exported)) throw new Error('it is not streamed')
  const lines = (await buffer(exported.stream)).toString().trim().split('\n')
  t.strictSame(
    lines.map((line) => JSON.parse(line)[exportedId]),
    up,
  )
})

t.test('a whole list, which SQLite renders, is byte for byte what a page has', async (t) => {
  const codes = [...Array(0x20).keys()]
    .slice(1)
    .concat(0x22, 0x5c, 0x7f, 0x80, 0x2028, 0xd83d, 0xfffd)
  const odd = codes.map((code) => `${String.fromCharCode(code)}\\u0041${String.fromCharCode(code)}`)
  const titles = [
    ...hostileTitles,
    ...odd.map((text) => ({ ...title, title: text, genres: JSON.stringify([text]) })),
    // Every score there is.
    ...Array.from({ length: 1001 }, (_, hundredths) => ({ ...title, score: hundredths / 100 })),
  ]
  const lists: [string, Partial<ListQuery>][] = [
    ['', {}],
    ['-id', {}],
    ['-score', {}],
    ['title', { filters: { type: 'TV' } }],
    ['type,-score', { filters: { genre: ['Drama'] } }],
    ['score,title', { filters: { minScore: 9.9 } }],
  ]
  for (const bounds of [{}, { small: 0 }, { small: 0, few: 5 }]) {
    const database = await open(t, 0, bounds)
    await database.writer.transaction().execute(async (trx) => {
      for (const each of titles) await insertAnime(database, trx, each)
    })
    for (const [sort, query] of lists) {
      for (const columns of [animeColumns, ['score', 'title'], ['genres'], ['id']] as const) {
        const textOf = async (limit?: number) => {
          const wanted = { filters: {}, ...query, sort: sortBy(sort), limit }
          const { body } = finished(await database.read({ what: 'list', query: wanted, columns }))
          return Buffer.from(body).toString()
        }
        t.equal(await textOf(), await textOf(10_000), `${columns} by ${sort || 'id'}`)
      }
    }
  }
})

t.test('a page and its total, and all counts, are of one moment', async (t) => {
  const database = await open(t, 100, { few: 3 })
  let writing = true
  const writer = (async () => {
    while (writing) {
      await turn()
      await database.writer.transaction().execute(async (trx) => {
        for (let each = 0; each < 5; each += 1) await insertAnime(database, trx, title)
      })
    }
  })()
  for (let round = 0; round < 100; round += 1) {
    const page = await readList(database, { filters: { type: 'TV' }, sort: [], limit: 1000 })
    if (page.next === null) t.equal(page.data.length, page.total)
    else t.ok(page.total > page.data.length)
    const stats = JSON.parse(
      Buffer.from(finished(await database.read({ what: 'stats' })).body).toString(),
    )
    const sum = (counts: { count: number }[]) =>
      counts.reduce((total, { count }) => total + count, 0)
    t.strictSame(
      [sum(stats.types), sum(stats.years), sum(stats.scores)],
      Array(3).fill(stats.total),
    )
  }
  writing = false
  await writer
})

t.test('so many reads run, so many wait, and the next is refused', async (t) => {
  const semaphore = createSemaphore({ maxRunning: 2, maxWaiting: 3 })
  await semaphore.acquire()
  await semaphore.acquire()
  const order: number[] = []
  const waiting = [1, 2, 3].map((number) => semaphore.acquire().then(() => order.push(number)))
  await t.rejects(semaphore.acquire(), TooManyReads)
  semaphore.release()
  semaphore.release()
  await Promise.all(waiting.slice(0, 2))
  t.strictSame(order, [1, 2], 'in their order')
  semaphore.release()
  await Promise.all(waiting)
})

t.test('a read that nobody waits for any more is not begun', async (t) => {
  const semaphore = createSemaphore({ maxRunning: 1, maxWaiting: 5 })
  await semaphore.acquire()
  const left = new AbortController()
  const gone = semaphore.acquire(left.signal)
  const next = semaphore.acquire()
  left.abort(new Error('left'))
  await t.rejects(gone, /left/)
  semaphore.release()
  await next
  await t.rejects(semaphore.acquire(AbortSignal.abort(new Error('gone before'))), /gone before/)
})

t.test('more reads than may wait are refused, and the others answered', async (t) => {
  const database = await open(t, 500, { maxWaiting: 20 })
  const reads = Array.from({ length: 100 }, (_, index) =>
    readList(database, { filters: { minYear: 1900 + index }, sort: [], limit: 5 }),
  )
  const results = await Promise.allSettled(reads)
  const refused = results.filter(({ status }) => status === 'rejected')
  t.ok(refused.length >= 50 && refused.length <= 80, `${refused.length} refused`)
  t.ok(refused.every((result) => (result as PromiseRejectedResult).reason instanceof TooManyReads))
})

t.test('a thread that nobody has asked keeps no process alive', async (t) => {
  const readers = new URL('../../../db/reads/threads.ts', import.meta.url)
  const path = join(temporaryFolder(t), 'anime.db')
  const code = `import { openReaders } from '${readers}'
    openReaders(${JSON.stringify(path)}, { startOne: true })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code])
  t.teardown(() => child.kill())
  t.strictSame(await once(child, 'exit'), [0, null])
})

t.test(
  'a thread that is idle makes the sets of frequent words, at first and when they are missed',
  async (t) => {
    const folder = temporaryFolder(t)
    const url = `sqlite:${join(folder, 'anime.db')}`
    const open = async () => {
      const database = await openDatabase(url, { startOne: true })
      t.teardown(() => database.close())
      return database
    }
    /** Whether a search reads texts, as it does for a frequent word that has no set. */
    const readsTexts = async ({ read }: Database) => {
      sentStatements()
      const answer = finished(await read({ what: 'suggest', q: 'both red third' }))
      t.equal(JSON.parse(new TextDecoder().decode(answer.body)).data.length, 10)
      return sentStatements().some((text) => text.startsWith('select a.id, a.sort_title'))
    }
    const database = await open()
    await migrate(database)
    const rows = Array.from(
      { length: 60_000 },
      (_, at) => `Red both${at % 50 ? '' : ' third'} ${at},TV`,
    )
    await importCatalogue([`title,type\n${rows.join('\n')}`], openStage(url))
    t.ok(await readsTexts(database), 'its sets are not there')
    let waited = 0
    for (; waited < 100 && (await readsTexts(database)); waited += 1) await sleep(100)
    t.ok(waited < 100, 'missed sets are made')
    await database.writer.transaction().execute(async (trx) => {
      await sql`create temp table copy as select word, mirrored, first_id, entries from search_words`.execute(
        trx,
      )
      await sql`delete from search_words`.execute(trx)
      await sql`insert into search_words (word, mirrored, first_id, entries) select * from copy`.execute(
        trx,
      )
    })
    t.ok(await readsTexts(database), 'all rows are others')
    // The first search of a process, later and later.
    for (waited = 100; waited < 10_000; waited *= 2) {
      const other = await open()
      await sleep(waited)
      if (!(await readsTexts(other))) break
    }
    t.ok(waited < 10_000, 'they are made before anybody asks')
  },
)

t.test('an error of the database reaches who asked, and the thread goes on', async (t) => {
  const database = await open(t, 10)
  const wrong = { what: 'list', query: { filters: {}, sort: [{ column: 'nothing' }], limit: 1 } }
  await t.rejects(
    database.read({ ...wrong, columns: animeColumns } as unknown as Read),
    /near "nothing"/,
  )
  t.equal((await readList(database, { filters: {}, sort: [] })).total, 10)
})

t.test('a long list is streamed, of the moment when it began', async (t) => {
  const database = await open(t, 3000, { streamAbove: 65_536 })
  const stream = await streamOf(database)
  await database.writer.deleteFrom('animes').where('id', '>', 100).execute()
  const text = (await buffer(stream)).toString()
  t.match(text, /^\{"total":3000,"next":null,"data":\[\{/)
  t.equal(JSON.parse(text).data.length, 3000)
  t.equal((await readList(database, { filters: {}, sort: [] })).total, 100)
})

t.test('a client that reads nothing for a while loses its stream', async (t) => {
  const { stall } = streamLimits
  streamLimits.stall = 50
  t.teardown(() => {
    streamLimits.stall = stall
  })
  const database = await open(t, 3000, { streamAbove: 65_536 })
  const stream = await streamOf(database)
  stream.read(1)
  const [error] = await once(stream, 'error')
  t.match(error.message, /has read nothing for/)
})

t.test('so many answers are streamed at a time, and one that ends makes room', async (t) => {
  const database = await open(t, 3000, { streamAbove: 65_536 })
  const streams: Readable[] = []
  for (let each = 0; each < 8; each += 1) streams.push(await streamOf(database))
  t.teardown(() => {
    for (const stream of streams) stream.destroy()
  })
  await t.rejects(database.read(all), TooManyReads)
  t.equal(
    (await readList(database, { filters: {}, sort: [], limit: 1 })).total,
    3000,
    'pages go on',
  )
  streams[0]!.destroy()
  await once(streams[0]!, 'close')
  streams.push(await streamOf(database))
})

t.test('when the database is closed, a stream ends with an error', async (t) => {
  const database = await open(t, 3000, { streamAbove: 65_536 })
  const stream = await streamOf(database)
  const failed = once(stream, 'error')
  await database.close()
  t.match((await failed)[0].message, /has ended/)
})
