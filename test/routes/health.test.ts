import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { DatabaseUnavailable } from '../../db/dialects/dialect.ts'
import { post } from '../support/accounts.ts'
import { startApp, testConfig } from '../support/app.ts'
import { sentStatements } from '../support/statements.ts'
import { until } from '../support/until.ts'

t.test('a service with its database is ready', async (t) => {
  const app = await startApp(t)
  const live = await app.inject('/health/live')
  t.equal(live.statusCode, 200)
  t.strictSame(live.json(), { status: 'ok' })
  const ready = await app.inject('/health/ready')
  t.equal(ready.statusCode, 200)
  t.match(ready.json(), { status: 'ok', database: 'ok', redis: 'unset', admin: 'unset' })
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

t.test('a service that never had its database is not ready', async (t) => {
  const config = testConfig(t, {
    DATABASE_URL: 'mssql://u:p@127.0.0.1:1/x',
    JWT_SECRET: 'x'.repeat(32),
  })
  const app = await buildApp({ config })
  t.teardown(() => app.close())
  const ready = await app.inject('/health/ready')
  t.equal(ready.statusCode, 503)
  t.equal(ready.headers['retry-after'], '5')
  t.match(ready.json(), { status: 'starting', database: 'connecting' })
})

t.test('a service is not ready before the admin of ADMIN_EMAIL can sign in', async (t) => {
  const [email, password] = ['root@example.com', 'correct horse battery']
  const gate = Promise.withResolvers<void>()
  const app = await startApp(
    t,
    { ADMIN_EMAIL: email, ADMIN_PASSWORD: password },
    {
      prepare: async (app) => {
        const make = app.accounts.makeAdmin
        Object.assign(app.accounts, {
          makeAdmin: (...given: Parameters<typeof make>) => gate.promise.then(() => make(...given)),
        })
      },
    },
  )
  const early = await app.inject('/health/ready')
  t.equal(early.statusCode, 503)
  t.match(early.json(), { status: 'starting', database: 'ok', admin: 'missing' })
  gate.resolve()
  await until('it is ready', async () => (await app.inject('/health/ready')).statusCode === 200)
  t.match((await app.inject('/health/ready')).json(), { status: 'ok', admin: 'ok' })
  t.equal((await post(app, '/v1/signin', { email, password })).statusCode, 200)
})

t.test('a service that closes is not ready on the connections still open', async (t) => {
  const app = await startApp(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ready = () =>
    new Promise<{ status: number; body: unknown }>((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', path: '/health/ready', agent }, async (answer) => {
          resolve({ status: answer.statusCode!, body: await json(answer) })
        })
        .on('error', reject)
    })
  t.equal((await ready()).status, 200)
  const closed = app.close()
  await until('it closes', () => app.closing)
  t.match(await ready(), { status: 503, body: { status: 'closing' } })
  await closed
})

t.test('503 says what is going on and when to ask again', async (t) => {
  const app = await startApp(t)
  for (const [status, detail, seconds] of [
    ['unavailable', /^the connection to the database is lost/, '5'],
    ['connecting', /^the service is connecting to its database/, '5'],
    ['migrating', /^the schema of the database is being brought up to date/, '5'],
    ['filling', /^the empty database is being filled/, '2'],
  ] as const) {
    app.databaseState.status = status
    const answer = await app.inject('/v1/animes')
    t.equal(answer.statusCode, 503)
    t.match(answer.json(), { code: 'DATABASE_UNAVAILABLE', detail })
    t.equal(answer.headers['retry-after'], seconds, status)
  }
})
