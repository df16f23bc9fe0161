import t from 'tap'
import { buildApp } from '../../app.ts'
import { DatabaseUnavailable } from '../../db/dialects/dialect.ts'
import { startApp, testConfig } from '../support/app.ts'
import { sentStatements } from '../support/statements.ts'

t.test('a service with its database is ready', async (t) => {
  const app = await startApp(t)
  const live = await app.inject('/health/live')
  t.equal(live.statusCode, 200)
  t.strictSame(live.json(), { status: 'ok' })
  const ready = await app.inject('/health/ready')
  t.equal(ready.statusCode, 200)
  t.match(ready.json(), { status: 'ok', database: 'ok', redis: 'unset' })
})

t.test('health asks the database nothing', async (t) => {
  const app = await startApp(t)
  sentStatements()
  await app.inject('/health/live')
  await app.inject('/health/ready')
  // The relay of the outbox asks on its own account.
  const asked = sentStatements().filter((sql) => !/outbox/.test(sql))
  t.strictSame(asked, [])
})

t.test('a service whose database is away stays in service and says degraded', async (t) => {
  const app = await startApp(t)
  app.databaseState.status = 'unavailable'
  const ready = await app.inject('/health/ready')
  t.equal(ready.statusCode, 200)
  t.match(ready.json(), { status: 'degraded', database: 'unavailable' })
  t.equal((await app.inject('/health/live')).statusCode, 200)
  const read = await app.inject('/v1/animes')
  t.equal(read.statusCode, 503)
  t.equal(read.headers['retry-after'], '5')
  app.databaseState.status = 'ok'
  t.equal((await app.inject('/v1/animes')).statusCode, 200)
})

t.test('a service is live before it has tried the database', async (t) => {
  const app = await buildApp({ config: testConfig(t) })
  t.teardown(() => app.close())
  t.throws(() => app.database.reader, DatabaseUnavailable)
  t.equal((await app.inject('/health/live')).statusCode, 200)
})
