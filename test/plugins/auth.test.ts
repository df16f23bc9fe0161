import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { jwtSecret } from '../../plugins/accounts/secret.ts'
import { bearer, post } from '../support/accounts.ts'
import { startApp, temporaryFolder, testConfig } from '../support/app.ts'

const secret = 'a secret of 32 characters at least'
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function forge(claims: object = {}, key = secret, header: object = { alg: 'HS256', typ: 'JWT' }) {
  const now = Math.floor(Date.now() / 1000)
  const sound = { sub: '1', email: 'a@b.c', role: 'admin', jti: 'x', iat: now, exp: now + 60 }
  const all = { iss: 'anime-api', aud: 'anime-api', ...sound, ...claims }
  const input = `${base64(header)}.${base64(JSON.parse(JSON.stringify(all)))}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}

const add = (app: FastifyInstance, headers: Record<string, string>) =>
  app.inject({ method: 'POST', url: '/v1/animes', payload: { title: 'Frieren' }, headers })

t.test('a token that this service did not make, or not so, is 401', async (t) => {
  const app = await startApp(t, { JWT_SECRET: secret })
  const sound = forge()
  t.equal((await add(app, { authorization: `Bearer ${sound}` })).statusCode, 201, 'the control')
  const [head, payload, signature] = sound.split('.')
  const now = Math.floor(Date.now() / 1000)
  await post(app, '/v1/signup', { email: 'ada@example.com', password: 'a long phrase' })
  const session = await post(app, '/v1/signin', {
    email: 'ada@example.com',
    password: 'a long phrase',
  })
  const tokens = {
    'alg none': `${base64({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'alg none with a signature': `${base64({ alg: 'none', typ: 'JWT' })}.${payload}.${signature}`,
    'another algorithm': forge({}, secret, { alg: 'HS512', typ: 'JWT' }),
    'another key': forge({}, 'another secret of 32 characters at least'),
    'another issuer': forge({ iss: 'somebody' }),
    'another audience': forge({ aud: 'somebody' }),
    'no issuer': forge({ iss: undefined }),
    'no expiry': forge({ exp: undefined }),
    expired: forge({ exp: now - 1 }),
    'an unknown role': forge({ role: 'root' }),
    'a role of every object': forge({ role: 'constructor' }),
    'no role': forge({ role: undefined }),
    'tampered with': `${head}.${base64({ ...JSON.parse(Buffer.from(payload!, 'base64url').toString()), sub: '2' })}.${signature}`,
    'its signature cut': `${head}.${payload}.${signature!.slice(1)}`,
    'no signature': `${head}.${payload}.`,
    'a refresh token': session.json().refreshToken,
    'no JWT': 'x.y.z',
  }
  for (const [what, token] of Object.entries(tokens)) {
    const answer = await add(app, { authorization: `Bearer ${token}` })
    t.equal(answer.statusCode, 401, what)
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="anime-api", error="invalid_token"')
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
  }
})

t.test('no token, a malformed field and a role too low say so (RFC 6750)', async (t) => {
  const app = await startApp(t)
  const none = await add(app, {})
  t.equal(none.statusCode, 401)
  t.equal(none.headers['www-authenticate'], 'Bearer realm="anime-api"')
  for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer a b', `Token ${'x'.repeat(9)}`]) {
    const odd = await add(app, { authorization })
    t.equal(odd.statusCode, 401)
    t.match(odd.headers['www-authenticate'], /error="invalid_request"/)
  }
  const user = await add(app, bearer(app, 'user'))
  t.equal(user.statusCode, 403)
  t.match(user.headers['www-authenticate'], /error="insufficient_scope"/)
  t.match(user.json().detail, /takes the role admin; yours is user/)
  t.equal((await add(app, bearer(app, 'admin'))).statusCode, 201)
})

t.test('READ_ROLE closes the reads, also those that the cache could answer', async (t) => {
  const app = await startApp(t, { READ_ROLE: 'user' }, { titles: 30 })
  for (const url of [
    '/v1/animes?limit=20',
    '/v1/animes/1',
    '/v1/types',
    '/v1/genres',
    '/v1/stats',
  ]) {
    const first = await app.inject({ url, headers: bearer(app, 'user') })
    const hit = await app.inject({ url, headers: bearer(app, 'admin') })
    t.match(hit.headers['cache-status'], /; hit;/, url)
    t.match(hit.headers['cache-control'], /private/)
    for (const method of ['GET', 'HEAD'] as const) {
      const closed = await app.inject({ method, url })
      t.equal(closed.statusCode, 401, `${method} ${url}`)
      t.notOk(closed.headers.etag)
      const headers = { 'if-none-match': String(first.headers.etag) }
      t.equal((await app.inject({ method, url, headers })).statusCode, 401)
    }
  }
  const { paths } = (await app.inject('/openapi.json')).json()
  t.strictSame(paths['/v1/animes'].get.security, [{ bearer: [] }])
  t.ok(paths['/v1/animes'].get.responses['401'])

  const admins = await startApp(t, { READ_ROLE: 'admin' })
  const refused = await admins.inject({ url: '/v1/animes', headers: bearer(admins, 'user') })
  t.equal(refused.statusCode, 403)
  const open = await startApp(t)
  t.equal((await open.inject('/v1/animes')).statusCode, 200)
  const document = (await open.inject('/openapi.json')).json()
  t.strictSame(document.paths['/v1/animes'].get.security, [])
})

t.test('a previous secret verifies and no longer signs', async (t) => {
  const rotated = { JWT_SECRET: `new ${secret}`, JWT_PREVIOUS_SECRET: secret }
  const app = await startApp(t, rotated)
  t.equal((await add(app, { authorization: `Bearer ${forge()}` })).statusCode, 201)
  const now = Math.floor(Date.now() / 1000)
  const expired = await add(app, { authorization: `Bearer ${forge({ exp: now - 1 })}` })
  t.equal(expired.statusCode, 401)
  const next = await startApp(t, { JWT_SECRET: `new ${secret}` })
  t.equal((await add(next, bearer(app, 'admin'))).statusCode, 201)
  t.equal((await add(next, { authorization: `Bearer ${forge()}` })).statusCode, 401)
})

t.test('on SQLite the secret is made once, readable by its owner alone', async (t) => {
  const config = testConfig(t, {
    DATABASE_URL: `sqlite:${join(temporaryFolder(t), 'data', 'anime.db')}`,
  })
  const made = await Promise.all(Array.from({ length: 20 }, () => jwtSecret(config)))
  t.equal(new Set(made).size, 1, 'all that start at once agree')
  t.ok(made[0]!.length >= 32)
  const path = `${config.DATABASE_URL.slice('sqlite:'.length)}.jwt-secret`
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(await jwtSecret(config), readFileSync(path, 'utf8').trim())
  t.equal(await jwtSecret({ ...config, JWT_SECRET: secret }), secret)
  const app = await startApp(t, { JWT_SECRET: secret })
  t.notOk(existsSync(`${app.config.DATABASE_URL.slice('sqlite:'.length)}.jwt-secret`))
})
