import t from 'tap'
import { startApp } from '../support/app.ts'

const from = (address: string, url = '/v1/animes?limit=1') => ({
  url,
  headers: { 'x-forwarded-for': address },
})

t.test('RATE_LIMIT_MAX holds for each address, cached or not, known path or not', async (t) => {
  const app = await startApp(t, { RATE_LIMIT_MAX: '5', TRUST_PROXY: '1' }, { titles: 3 })
  for (let n = 0; n < 4; n++) t.equal((await app.inject(from('10.0.0.1'))).statusCode, 200)
  t.equal((await app.inject(from('10.0.0.1', '/nowhere'))).statusCode, 404)
  const over = await app.inject(from('10.0.0.1'))
  t.equal(over.statusCode, 429)
  t.match(over.headers['content-type'], /^application\/problem\+json/)
  t.match(Number(over.headers['retry-after']), Number)
  t.ok(Number(over.headers['retry-after']) <= 60)
  t.equal((await app.inject(from('10.0.0.1', '/nowhere'))).statusCode, 429)
  const other = await app.inject(from('10.0.0.2'))
  t.equal(other.statusCode, 200)
  t.notMatch(Object.keys(other.headers).join(), /ratelimit/)
})

t.test('an IPv6 client is its /64', async (t) => {
  const app = await startApp(t, { RATE_LIMIT_MAX: '2', TRUST_PROXY: '1' })
  await app.inject(from('2001:db8:1:2::1'))
  await app.inject(from('2001:db8:1:2::2'))
  t.equal((await app.inject(from('2001:db8:1:2:3::3'))).statusCode, 429)
  t.equal((await app.inject(from('2001:db8:1:3::1'))).statusCode, 200)
})

t.test('by default an address has 1000 a minute, and this machine any number', async (t) => {
  const app = await startApp(t)
  const over = async (remoteAddress: string, headers = {}) => {
    for (let n = 0; n < 1000; n++) await app.inject({ url: '/health/live', remoteAddress, headers })
    return (await app.inject({ url: '/health/live', remoteAddress, headers })).statusCode
  }
  t.equal(await over('127.0.0.1'), 200)
  t.equal(await over('10.0.0.1'), 429)
  t.equal(await over('10.0.0.2', { 'x-forwarded-for': '127.0.0.1' }), 429, 'no header helps')
})

t.test('CORS_ORIGIN names who may call from a page, also for what is refused', async (t) => {
  const origin = 'https://app.example.com'
  const app = await startApp(t, { CORS_ORIGIN: origin, RATE_LIMIT_MAX: '2' })
  const preflight = await app.inject({
    method: 'OPTIONS',
    url: '/v1/animes/1',
    headers: {
      origin,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'authorization,if-match',
    },
  })
  t.equal(preflight.statusCode, 204)
  t.match(preflight.headers['access-control-allow-methods'], /PATCH/)
  t.match(preflight.headers['access-control-allow-headers'], /authorization/)
  await app.inject({ url: '/v1/stats', headers: { origin } })
  await app.inject({ url: '/v1/stats', headers: { origin } })
  const refused = await app.inject({ url: '/v1/stats', headers: { origin } })
  t.equal(refused.statusCode, 429)
  t.equal(refused.headers['access-control-allow-origin'], origin)
  const other = await startApp(t, { CORS_ORIGIN: origin })
  const stranger = await other.inject({
    url: '/v1/stats',
    headers: { origin: 'https://else.example' },
  })
  t.not(stranger.headers['access-control-allow-origin'], 'https://else.example')
})

t.test(
  'every kind of answer has the security headers, and the docs page still works',
  async (t) => {
    const app = await startApp(t)
    for (const url of [
      '/v1/animes',
      '/v1/animes',
      '/health/live',
      '/nowhere',
      '/v1/me',
      '/docs/',
    ]) {
      const { headers } = await app.inject(url)
      t.equal(headers['x-content-type-options'], 'nosniff', url)
      t.ok(headers['content-security-policy'], url)
    }
    const page = await app.inject('/docs/')
    for (const [, asset] of page.body.matchAll(/(?:src|href)="\.?(\/[^"]+)"/g)) {
      const path = asset!.startsWith('/docs') ? asset! : `/docs${asset}`
      t.equal((await app.inject(path)).statusCode, 200, path)
    }
  },
)
