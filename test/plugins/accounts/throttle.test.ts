import t from 'tap'
import { post } from '../../support/accounts.ts'
import { startApp } from '../../support/app.ts'
import { startRedis } from '../../support/redis.ts'

const owner = { email: 'ada@example.com', password: 'a long phrase is best' }
const proxied = { TRUST_PROXY: '1', RATE_LIMIT_MAX: '100000' }
const guess = { ...owner, password: 'a guess' }

t.test('a thousand guesses are throttled, and nobody else is locked out', async (t) => {
  const app = await startApp(t, proxied)
  const home = '10.0.0.1'
  await post(app, '/v1/signup', owner, home)
  const counts: Record<number, number> = {}
  for (let round = 0; round < 20; round++) {
    const guesses = Array.from({ length: 50 }, () => post(app, '/v1/signin', guess, '10.6.6.6'))
    for (const { statusCode } of await Promise.all(guesses)) {
      counts[statusCode] = (counts[statusCode] ?? 0) + 1
    }
  }
  t.strictSame(counts, { 401: 10, 429: 990 })
  const right = await post(app, '/v1/signin', owner, '10.6.6.6')
  t.equal(right.statusCode, 429, 'the right guess comes too late')
  t.ok(Number(right.headers['retry-after']) > 0)
  t.equal((await post(app, '/v1/signin', owner, home)).statusCode, 200, 'the owner signs in')
  const other = { ...owner, email: 'bob@example.com' }
  t.equal((await post(app, '/v1/signup', other, '10.0.0.2')).statusCode, 201)
  t.equal((await post(app, '/v1/signin', other, '10.0.0.2')).statusCode, 200)
})

t.test(
  'guesses from a hundred addresses are throttled, and the owner is not locked out',
  async (t) => {
    const app = await startApp(t, proxied)
    const home = '2001:db8:1:2::1'
    await post(app, '/v1/signup', owner, home)
    const before = await post(app, '/v1/signin', owner, home)
    let checked = 0
    for (let address = 0; address < 100; address++) {
      const { statusCode } = await post(app, '/v1/signin', guess, `10.6.6.${address}`)
      if (statusCode === 401) checked++
    }
    t.ok(checked < 50, `${checked} guesses were checked`)
    const { refreshToken } = before.json()
    await post(app, '/v1/signout', { refreshToken }, home)
    const session = await post(app, '/v1/signin', owner, '2001:db8:1:2::ffff')
    t.equal(session.statusCode, 200, 'known, by its /64, also after a sign-out')
  },
)

t.test('guesses at accounts that do not exist are throttled alike', async (t) => {
  const app = await startApp(t, proxied)
  const answers = []
  for (let n = 0; n < 11; n++) answers.push(await post(app, '/v1/signin', guess, '10.6.6.6'))
  t.equal(answers.at(-1)!.statusCode, 429)
})

t.test('one address has 60 tries a minute, over all accounts and kinds', async (t) => {
  const app = await startApp(t, proxied)
  const tries = Array.from({ length: 61 }, () =>
    post(app, '/v1/refresh', { refreshToken: 'unknown' }, '10.6.6.6'),
  )
  const answers = (await Promise.all(tries)).map(({ statusCode }) => statusCode)
  t.equal(answers.filter((status) => status === 401).length, 60)
  t.equal((await post(app, '/v1/signup', owner, '10.6.6.6')).statusCode, 429)
  t.equal((await post(app, '/v1/signup', owner, '10.6.6.7')).statusCode, 201)
})

t.test('with Redis, instances count together, and go on alone when it is gone', async (t) => {
  const redis = await startRedis(t)
  const settings = { ...proxied, REDIS_URL: redis.url }
  const apps = [await startApp(t, settings), await startApp(t, settings)]
  const refresh = async (n: number) =>
    (await post(apps[n % 2]!, '/v1/refresh', { refreshToken: 'unknown' }, '10.6.6.6')).statusCode
  const statuses = []
  for (let n = 0; n < 62; n++) statuses.push(await refresh(n))
  t.equal(statuses.filter((status) => status === 401).length, 60)
  const keys = await redis.client.keys('anime-api:limit:*')
  t.equal(keys.length, 1)
  t.notMatch(keys[0], /10\.6/, 'no address in clear')
  t.ok((await redis.client.pttl(keys[0]!)) > 0)
  await redis.kill()
  t.equal(await refresh(0), 401, 'each goes by its own count')
  const alone = []
  for (let n = 0; n < 60; n++) alone.push(await refresh(0))
  t.ok(alone.includes(429), 'and does not go without')
})
