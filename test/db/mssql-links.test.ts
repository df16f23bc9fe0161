import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Transaction } from 'kysely'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { deleteAnime, findAnime, insertAnime, lockAnime, updateAnime } from '../../db/animes.ts'
import { openDatabase } from '../../db/database.ts'
import { OutcomeUnknown } from '../../db/dialects/dialect.ts'
import { Fault } from '../../db/dialects/faults.ts'
import { parseMssqlUrl } from '../../db/dialects/mssql-url.ts'
import { migrate } from '../../db/migrate.ts'
import type { Schema } from '../../db/schema.ts'
import { startApp, type Teardown, testConfig } from '../support/app.ts'
import { freshDatabase, openSql, withoutMssql, withUrl } from '../support/mssql.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const title = { title: 'x', type: 'TV', year: 2001, score: 7.5, episodes: 1, genres: '["Drama"]' }

/** The packet by which tedious commits: a transaction manager request (MS-TDS 2.2.6.9), kind 7. */
const isCommit = (message: Buffer) => message[0] === 0x0e && message.readUInt16LE(30) === 7

/** A fresh database behind a proxy; no encryption, or the proxy could not tell a commit. */
async function behindProxy(t: Teardown, parameters: Record<string, string> = {}) {
  const direct = await freshDatabase(t)
  const { server: host, port } = parseMssqlUrl(direct)
  const proxy = await startProxy(t, { host, port })
  const changes = { encrypt: 'false', requestTimeout: '3000', ...parameters }
  return { direct, proxy, url: withUrl(direct, { port: proxy.port, parameters: changes }) }
}

async function open(t: Teardown, parameters: Record<string, string> = {}) {
  const { direct, proxy, url } = await behindProxy(t, parameters)
  const first = await openDatabase(direct)
  await migrate(first)
  await first.close()
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  const count = async () =>
    (await database.reader.selectFrom('animes').select('id').execute()).length
  const add = () =>
    database.writer.transaction().execute((trx) => insertAnime(database, trx, title))
  return { database, proxy, direct, count, add }
}

t.test('links to the server that break', { skip: withoutMssql }, async (t) => {
  const { database, proxy, count, add } = await open(t, { poolMax: '4', idleTimeout: '1000' })

  await t.test('reads are repeated on another connection', async (t) => {
    await Promise.all([count(), count(), count()])
    proxy.cut()
    t.strictSame(await Promise.all([count(), count(), count()]), [0, 0, 0], 'idle ones were cut')
    let lost = 0
    proxy.decide((message) => (message[0] === 3 && lost++ < 2 ? 'loses its answer' : 'arrives'))
    t.equal(await count(), 0, 'so were two that waited for an answer')
    t.equal(lost, 3)
    proxy.decide(undefined)
  })

  await t.test('a write that was cut before its commit is done once', async (t) => {
    const before = await count()
    let lost = 0
    proxy.decide((message) => (message[0] === 3 && lost++ < 1 ? 'loses its answer' : 'arrives'))
    await add()
    proxy.decide(undefined)
    t.equal(await count(), before + 1)
  })

  await t.test(
    'a commit that is lost on its way is of unknown outcome, and not repeated',
    async (t) => {
      const before = await count()
      proxy.decide((message) => (isCommit(message) ? 'is lost' : 'arrives'))
      await t.rejects(add(), OutcomeUnknown)
      proxy.decide(undefined)
      t.equal(await count(), before)
    },
  )

  await t.test('so is one whose answer is lost', async (t) => {
    const before = await count()
    proxy.decide((message) => (isCommit(message) ? 'loses its answer' : 'arrives'))
    await t.rejects(add(), OutcomeUnknown)
    proxy.decide(undefined)
    await until('it has happened, once', async () => (await count()) === before + 1)
    await sleep(500)
    t.equal(await count(), before + 1)
  })

  await t.test('a link that stalls costs a request its time limit, no more', async (t) => {
    await count()
    proxy.stall()
    const started = performance.now()
    const error = await count().catch((reason) => reason)
    t.match(error, { kind: 'timeout' })
    t.ok(error instanceof Fault)
    t.ok(performance.now() - started < 8000, `${performance.now() - started} ms`)
    proxy.resume()
    proxy.cut()
    t.type(await count(), 'number')
  })

  await t.test('a server that is gone is told within seconds', async (t) => {
    proxy.refuse()
    proxy.cut()
    const started = performance.now()
    t.match(await count().catch((reason) => reason), { kind: 'unavailable' })
    t.ok(performance.now() - started < 6000)
    t.equal(database.reachable?.(), false)
    proxy.accept()
    t.type(await count(), 'number')
    t.equal(database.reachable?.(), true)
  })

  await t.test('never more connections than poolMax, and none when idle', async (t) => {
    await Promise.all(Array.from({ length: 60 }, () => count()))
    t.ok(proxy.peak() <= 4, `${proxy.peak()}`)
    await until('all are closed', () => proxy.open() === 0)
  })
})

t.test('two writes of one row take turns', { skip: withoutMssql }, async (t) => {
  const { database } = await open(t, { requestTimeout: '20000' })
  const row = await database.writer
    .transaction()
    .execute((trx) => insertAnime(database, trx, { ...title, episodes: 1 }))
  const increment = () =>
    database.writer.transaction().execute(async (trx) => {
      const before = (await lockAnime(database, trx, row.id))!
      await sleep(20)
      await updateAnime(trx, before, { episodes: before.episodes! + 1 })
    })
  await Promise.all(Array.from({ length: 12 }, increment))
  t.equal((await findAnime(database.reader, row.id))?.episodes, 13, 'none was lost')
  const removed = await Promise.all(
    [1, 2].map(() =>
      database.writer.transaction().execute(async (trx) => {
        const before = await lockAnime(database, trx, row.id)
        if (before !== undefined) await deleteAnime(trx, before)
        return before?.episodes
      }),
    ),
  )
  t.strictSame(removed.toSorted(), [13, undefined], 'one of two removes it, as it last was')
})

t.test('the victim of a deadlock begins again', { skip: withoutMssql }, async (t) => {
  const { database } = await open(t, { requestTimeout: '20000' })
  const ids = await Promise.all(
    [1, 2].map(async () => {
      const add = database.writer.transaction()
      return (await add.execute((trx) => insertAnime(database, trx, title))).id
    }),
  )
  let attempts = 0
  // The writes of the service take turns by the lock of the words, and never come to this.
  const addEpisode = (trx: Transaction<Schema>, id: number) =>
    trx
      .updateTable('animes')
      .set(({ eb }) => ({ episodes: eb('episodes', '+', 1) }))
      .where('id', '=', id)
      .execute()
  const changeBoth = (first: number, second: number) =>
    database.writer.transaction().execute(async (trx) => {
      attempts += 1
      await addEpisode(trx, first)
      await sleep(300)
      await addEpisode(trx, second)
    })
  await Promise.all([changeBoth(ids[0]!, ids[1]!), changeBoth(ids[1]!, ids[0]!)])
  t.ok(attempts > 2, `${attempts} attempts`)
  for (const id of ids) t.equal((await findAnime(database.reader, id))?.episodes, 3)
})

t.test(
  'a service whose server comes late listens, says so, and then works',
  { skip: withoutMssql },
  async (t) => {
    const { proxy, url } = await behindProxy(t, { requestTimeout: '60000' })
    proxy.refuse()
    const config = testConfig(t, { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) })
    const app = await buildApp({ config })
    t.teardown(() => app.close())
    await app.ready()
    const answer = await app.inject('/v1/animes')
    t.match(answer, { statusCode: 503, headers: { 'retry-after': '5' } })
    t.match(await readiness(app), { status: 'starting', database: 'connecting' })
    await sleep(1500)
    proxy.accept()
    await app.databaseState.connected
    t.equal((await app.inject('/v1/animes')).statusCode, 200)
    t.match(await readiness(app), { status: 'ok', database: 'ok' })
  },
)

t.test(
  'a service that still waits for its server closes at once',
  { skip: withoutMssql },
  async (t) => {
    for (const how of ['refuse', 'stall'] as const) {
      const { proxy, url } = await behindProxy(t)
      proxy[how]()
      const config = testConfig(t, { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) })
      const app = await buildApp({ config })
      await app.ready()
      await sleep(300)
      const started = performance.now()
      await app.close()
      t.ok(performance.now() - started < 500, `${how}: ${performance.now() - started} ms`)
      await app.databaseState.connected
    }
  },
)

t.test(
  'a service whose server goes answers 503, and works again when it is back',
  { skip: withoutMssql },
  async (t) => {
    const { proxy, url } = await behindProxy(t, { requestTimeout: '60000' })
    const app = await startApp(t, { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) })
    t.equal((await app.inject('/v1/animes')).statusCode, 200)
    proxy.refuse()
    proxy.cut()
    const started = performance.now()
    const away = await app.inject('/v1/animes?type=TV')
    t.match(away, { statusCode: 503, headers: { 'retry-after': '5' } })
    t.ok(performance.now() - started < 6000)
    t.match(await readiness(app), { status: 'degraded', database: 'unavailable' })
    proxy.accept()
    const back = performance.now()
    await until('it works again', async () => {
      return (await app.inject('/v1/animes?type=TV')).statusCode === 200
    })
    t.ok(performance.now() - back < 5000)
    t.match(await readiness(app), { database: 'ok' })
  },
)

t.test('nothing of the driver reaches the console', { skip: withoutMssql }, async (t) => {
  const printed = t.capture(console, 'error')
  const { proxy, count } = await open(t)
  await count()
  proxy.cut()
  await sleep(100)
  await count()
  t.strictSame(printed(), [])
})

/** Takes a lock of the database at `url`; it is held until `release`. */
async function hold(t: Teardown, url: string, lock: 'lockSchema' | 'lockWords') {
  const database = await openDatabase(withUrl(url, { parameters: { requestTimeout: '5000' } }))
  const held = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const holding = database.writer.transaction().execute(async (trx) => {
    await database.dialect[lock](trx)
    held.resolve()
    await release.promise
  })
  const end = async () => {
    release.resolve()
    await holding.catch(() => {})
    await database.close()
  }
  t.teardown(end)
  await Promise.race([held.promise, holding])
  return { release: end }
}

t.test('the locks of one database are nothing to another', { skip: withoutMssql }, async (t) => {
  const [one, other] = [await freshDatabase(t), await freshDatabase(t)]
  for (const lock of ['lockSchema', 'lockWords'] as const) {
    const held = await hold(t, one, lock)
    await t.rejects(hold(t, one, lock), lock)
    await t.resolves(hold(t, other, lock), lock)
    await held.release()
  }
})

t.test('who waits in vain for a migration is told so', { skip: withoutMssql }, async (t) => {
  const url = await freshDatabase(t)
  await hold(t, url, 'lockSchema')
  await t.rejects(hold(t, url, 'lockSchema'), {
    message: 'another process is changing the schema',
  })
})

t.test('the server sees the sessions go', { skip: withoutMssql }, async (t) => {
  const { direct, count } = await open(t, { poolMax: '3', idleTimeout: '3000' })
  const sql = await openSql(direct)
  t.teardown(() => sql.close())
  const sessions = async () => {
    const rows = await sql.run<{ session_id: number | null }>(
      `select session_id from sys.dm_exec_sessions
       where database_id = db_id() and session_id <> @@spid`,
    )
    return rows.filter(({ session_id: id }) => id !== null).length
  }
  await Promise.all(Array.from({ length: 20 }, () => count()))
  const used = await sessions()
  t.ok(used >= 1 && used <= 3, `${used}`)
  await until('all are gone', async () => (await sessions()) === 0)
})

const readiness = async (app: FastifyInstance) => (await app.inject('/health/ready')).json()
