import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { requestCounter } from '../../plugins/rate-limit-store.ts'
import { createCounts } from '../../plugins/workers/counts.ts'
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

t.test('what a platform asks does not count, and is answered whoever else asks', async (t) => {
  const app = await startApp(t, { RATE_LIMIT_MAX: '2', TRUST_PROXY: '1' })
  for (const url of ['/health/live', '/health/ready', '/metrics']) {
    for (let n = 0; n < 3; n++) t.equal((await app.inject(from('10.0.0.1', url))).statusCode, 200)
  }
  for (const expected of [200, 200, 429]) {
    t.equal((await app.inject(from('10.0.0.1', '/v1/types'))).statusCode, expected)
  }
  t.equal((await app.inject(from('10.0.0.1', '/health/ready'))).statusCode, 200)
})

t.test('TRUST_PROXY says how many hops to believe, and true is warned of', async (t) => {
  const lines: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  const ipOf = async (TRUST_PROXY: string) => {
    const app = await startApp(
      t,
      { TRUST_PROXY },
      { logger, prepare: (app) => void app.get('/ip', async ({ ip }) => ip) },
    )
    return (await app.inject(from('6.6.6.6, 10.0.0.1', '/ip'))).body
  }
  t.equal(await ipOf('1'), '10.0.0.1')
  t.strictSame(lines, [])
  t.equal(await ipOf('true'), '6.6.6.6', 'what the client itself wrote')
  t.match(lines.join(''), /TRUST_PROXY is true: clients may name any address/)
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
    for (let n = 0; n < 1000; n++) await app.inject({ url: '/nowhere', remoteAddress, headers })
    return (await app.inject({ url: '/nowhere', remoteAddress, headers })).statusCode
  }
  t.equal(await over('127.0.0.1'), 404)
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
  for (const url of ['/v1/animes/1', '/nothing']) {
    const [other, plain] = await Promise.all(
      [await startApp(t), await startApp(t, { CORS_ORIGIN: origin })].map((app) =>
        app.inject({ method: 'OPTIONS', url }),
      ),
    )
    t.equal(
      plain!.statusCode,
      other!.statusCode,
      'what is no preflight is answered as without CORS',
    )
    t.equal(plain!.headers.allow, other!.headers.allow)
  }
  await app.inject({ url: '/v1/stats', headers: { origin } })
  await app.inject({ url: '/v1/stats', headers: { origin } })
  const refused = await app.inject({ url: '/v1/stats', headers: { origin } })
  t.equal(refused.statusCode, 429)
  t.equal(refused.headers['access-control-allow-origin'], origin)
  const denied = await app.inject({
    url: '/v1/me',
    headers: { origin },
    remoteAddress: '10.0.0.9',
  })
  t.equal(denied.statusCode, 401)
  t.match(denied.headers['access-control-expose-headers'], /www-authenticate/)
  t.equal(
    (await app.inject({ url: '/nothing', remoteAddress: '10.0.0.9' })).statusCode,
    404,
    'the preflights of CORS make no path known',
  )
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

t.test(
  'workers let hardly more than the limit pass, however slowly they hear of each other',
  async (t) => {
    for (const [size, max, most] of [
      [2, 1000, 1049],
      [2, 10, 11],
      [4, 1000, 1069],
      [4, 5, 8],
    ] as const) {
      const add = createCounts()
      const count = async (...of: Parameters<typeof add>) => {
        for (let turns = 0; turns < 20; turns += 1) await turn()
        const counted = add(...of)
        for (let turns = 0; turns < 20; turns += 1) await turn()
        return counted
      }
      const workers = Array.from({ length: size }, () => requestCounter({ size, count }))
      const currents = await Promise.all(
        Array.from({ length: max * size * 2 }, async (_, n) => {
          if (n % 7 === 0) await turn()
          return (await workers[n % size]!('x', 1e12, max)).current
        }),
      )
      const passed = currents.filter((current) => current <= max).length
      t.ok(passed >= max && passed <= most, `${passed} of ${max} by ${size} workers`)
    }
  },
)
