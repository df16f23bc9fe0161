import { Writable } from 'node:stream'
import t from 'tap'
import { buildApp } from '../../../app.ts'
import { post } from '../../support/accounts.ts'
import { testConfig } from '../../support/app.ts'

t.test('the log holds no password and no token, whatever happens', async (t) => {
  let log = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      log += chunk
      done()
    },
  })
  const secret = 'a secret of 32 characters at least'
  const config = testConfig(t, {
    JWT_SECRET: secret,
    ADMIN_EMAIL: 'root@example.com',
    ADMIN_PASSWORD: 'correct horse battery',
  })
  const app = await buildApp({ config, logger: { level: 'trace', stream } })
  t.teardown(() => app.close())
  app.post('/careless', async (request) => {
    const { body, headers } = request
    request.log.info({ body, headers }, 'careless')
    request.log.error({ err: Object.assign(new Error('oops'), { config: body }) })
    return {}
  })
  await app.ready()
  await app.firstAdmin
  const ada = { email: 'ada@example.com', password: 'a long phrase is best' }
  await post(app, '/v1/signup', ada)
  await post(app, '/v1/signup', ada)
  await post(app, '/v1/signup', { ...ada, role: 'admin' })
  await post(app, '/v1/signin', { ...ada, password: 'not this phrase' })
  const first = (await post(app, '/v1/signin', ada)).json()
  const second = (await post(app, '/v1/refresh', { refreshToken: first.refreshToken })).json()
  await post(app, '/v1/refresh', { refreshToken: first.refreshToken })
  await post(app, '/v1/signin/firebase', { idToken: 'an-id-token' })
  await post(app, '/careless', { ...ada, ...first, idToken: 'an-id-token' })
  for (const authorization of [`Bearer ${first.accessToken}`, `Bearer ${first.accessToken}x`]) {
    await app.inject({ url: '/v1/me', headers: { authorization } })
    await app.inject({ method: 'POST', url: '/careless', payload: {}, headers: { authorization } })
    await app.inject({ method: 'POST', url: '/v1/animes', payload: {}, headers: { authorization } })
  }
  await app.database.writer.schema.dropTable('refresh_tokens').execute()
  t.equal((await post(app, '/v1/signin', ada)).statusCode, 500)
  t.match(log, /no such table: refresh_tokens/, 'the log was looked at')
  t.match(log, /careless/)
  for (const [what, value] of Object.entries({
    password: ada.password,
    'wrong password': 'not this phrase',
    'password of the admin': 'correct horse battery',
    'access token': first.accessToken,
    'next access token': second.accessToken,
    'refresh token': first.refreshToken,
    'next refresh token': second.refreshToken,
    'ID token': 'an-id-token',
    key: secret,
    hash: '$scrypt$',
  })) {
    t.notOk(log.includes(value), what)
  }
})
