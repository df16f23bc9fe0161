import t from 'tap'
import { loadConfig } from '../../../config.ts'
import { post } from '../../support/accounts.ts'
import { startApp } from '../../support/app.ts'

const project = { FIREBASE_PROJECT_ID: 'demo-anime', FIREBASE_API_KEY: 'key' }
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

t.test('without the emulator variable, tokens that Google did not sign are refused', async (t) => {
  const app = await startApp(t, project)
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: 'https://securetoken.google.com/demo-anime',
    aud: 'demo-anime',
    sub: 'uid',
    email: 'root@example.com',
    iat: now,
    auth_time: now,
    exp: now + 3600,
  }
  for (const header of [
    { alg: 'none', typ: 'JWT' },
    { alg: 'none', typ: 'JWT', kid: 'x' },
    { alg: 'HS256', typ: 'JWT', kid: 'x' },
  ]) {
    for (const signature of ['', 'AAAA']) {
      const idToken = `${base64(header)}.${base64(claims)}.${signature}`
      const answer = await post(app, '/v1/signin/firebase', { idToken })
      t.equal(answer.statusCode, 401, JSON.stringify(header))
    }
  }
  t.equal((await post(app, '/v1/signin/firebase', { idToken: 'x' })).statusCode, 401)
  t.strictSame(await app.database.reader.selectFrom('users').selectAll().execute(), [])
})

t.test('the emulator, whose tokens are unsigned, is refused in production', async (t) => {
  const settings = { ...project, FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099' }
  t.throws(() => loadConfig({ ...settings, NODE_ENV: 'production' }), /wants none/)
  t.equal(loadConfig(settings).FIREBASE_AUTH_EMULATOR_HOST, '127.0.0.1:9099')
})

t.test(
  'Firebase without its Web API key could check no password, and does not start',
  async (t) => {
    t.throws(() => loadConfig({ FIREBASE_PROJECT_ID: 'demo-anime' }), /^FIREBASE_API_KEY: got none/)
  },
)
