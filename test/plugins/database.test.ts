import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { ConfigError, loadConfig } from '../../config.ts'
import { startApp, temporaryFolder, testConfig } from '../support/app.ts'
import { allTitles, databasePath } from '../support/catalogue.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

t.test('an empty database is filled with the catalogue, once', async (t) => {
  const config = testConfig(t)
  for (const round of [1, 2]) {
    const app = await buildApp({ config, fill: true })
    await app.ready()
    if (round === 1) {
      await until('it is being filled', () => app.databaseState.status === 'filling')
      const early = await app.inject('/v1/animes?limit=1')
      t.match(early.json(), { status: 503, detail: /^the empty database is being filled/ })
    }
    await app.databaseState.connected
    const titles = await allTitles(app)
    t.equal(titles.length, 20_238, `start ${round}`)
    t.equal(new Set(titles.map(({ type }) => type)).size, 7, 'of every type')
    await app.close()
  }
})

t.test('a database with one title is not filled', async (t) => {
  const config = testConfig(t)
  const app = await buildApp({ config })
  await app.ready()
  await app.databaseState.connected
  const db = new DatabaseSync(databasePath(app))
  db.exec(`insert into animes (title, type, genres) values ('Mine', 'TV', '[]')`)
  db.close()
  await app.close()
  const again = await buildApp({ config, fill: true })
  t.teardown(() => again.close())
  await again.ready()
  await again.databaseState.connected
  t.equal((await allTitles(again)).length, 1)
})

t.test('what fails at the start is tried again', async (t) => {
  const path = join(temporaryFolder(t), 'anime.db')
  const squatter = new DatabaseSync(path)
  squatter.exec('create table outbox (something text)')
  const config = loadConfig({ DATABASE_URL: `sqlite:${path}` })
  const app = await buildApp({ config })
  t.teardown(() => app.close())
  await app.ready()
  await until('the first try fails', () => app.databaseState.status === 'unavailable')
  const answer = await app.inject('/v1/animes')
  t.equal(answer.statusCode, 503)
  t.equal(answer.headers['retry-after'], '5')
  t.match(answer.json().detail, /^the database cannot be used yet; the service goes on trying/)
  squatter.exec('drop table outbox')
  squatter.close()
  await app.databaseState.connected
  t.equal((await app.inject('/v1/animes')).statusCode, 200)
})

t.test('a service whose database never comes can be closed', async (t) => {
  const path = join(temporaryFolder(t), 'anime.db')
  const squatter = new DatabaseSync(path)
  squatter.exec('create table outbox (something text)')
  squatter.close()
  const app = await buildApp({ config: loadConfig({ DATABASE_URL: `sqlite:${path}` }) })
  await app.ready()
  await until('the first try fails', () => app.databaseState.status === 'unavailable')
  const started = performance.now()
  await app.close()
  t.ok(performance.now() - started < 500)
})

t.test('nor does the cache, which waits for the database as well, keep it open', async (t) => {
  const path = join(temporaryFolder(t), 'anime.db')
  const squatter = new DatabaseSync(path)
  squatter.exec('create table outbox (something text)')
  squatter.close()
  const { url } = await startRedis(t)
  const app = await buildApp({
    config: loadConfig({ DATABASE_URL: `sqlite:${path}`, REDIS_URL: url }),
  })
  await app.ready()
  let waiting = 0
  const { connected } = app.databaseState
  Object.defineProperty(app.databaseState, 'connected', {
    get: () => {
      waiting++
      return connected
    },
  })
  await until('the outbox is about to be read', () => waiting > 1)
  const started = performance.now()
  await app.close()
  t.ok(performance.now() - started < 2000)
})

t.test('a URL that names nothing is the setting’s fault', async (t) => {
  const config = loadConfig({ DATABASE_URL: `sqlite:${temporaryFolder(t)}` })
  const error = await buildApp({ config }).catch((reason) => reason)
  t.ok(error instanceof ConfigError)
  t.match(error.message, /^DATABASE_URL: cannot be opened: /)
})

t.test('closing closes the file', async (t) => {
  const app = await startApp(t)
  await app.close()
  const db = new DatabaseSync(databasePath(app))
  db.exec('pragma journal_mode = delete')
  t.equal(
    db.prepare('pragma journal_mode').get()?.journal_mode,
    'delete',
    'nobody else has it open',
  )
  db.close()
})
