import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { post } from '../../support/accounts.ts'
import { startApp, type Teardown } from '../../support/app.ts'

const credentials = { email: 'ada@example.com', password: 'a long phrase is best' }

/** Two instances of the service on one database. */
async function twoInstances(t: Teardown, settings: NodeJS.ProcessEnv = {}) {
  const one = await startApp(t, settings)
  const two = await startApp(t, { ...settings, DATABASE_URL: one.config.DATABASE_URL })
  await post(one, '/v1/signup', credentials)
  return [one, two] as const
}

const signIn = async (app: FastifyInstance): Promise<string> =>
  (await post(app, '/v1/signin', credentials)).json().refreshToken

const refresh = (app: FastifyInstance, refreshToken: string) =>
  post(app, '/v1/refresh', { refreshToken })

/** Exchanges a token that is good, and gives the next one. */
async function exchange(app: FastifyInstance, token: string): Promise<string> {
  const answer = await refresh(app, token)
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${answer.body}`)
  return answer.json().refreshToken
}

/** Lets seconds pass for a token that was exchanged. */
async function age(app: FastifyInstance, token: string, seconds: number): Promise<void> {
  const used_at = new Date(Date.now() - seconds * 1000).toISOString()
  const key = hash('sha256', token, 'base64url')
  await app.database.writer.transaction().execute(async (trx) => {
    await trx
      .updateTable('refresh_tokens')
      .set({ used_at })
      .where('hash', '=', key)
      .where('used_at', 'is not', null)
      .executeTakeFirst()
  })
}

const status = async (app: FastifyInstance, token: string) => (await refresh(app, token)).statusCode

t.test('two tabs that refresh one token at once both stay signed in', async (t) => {
  const instances = await twoInstances(t)
  const token = await signIn(instances[0])
  const answers = await Promise.all([0, 1, 0, 1].map((n) => refresh(instances[n]!, token)))
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [200, 200, 200, 200],
  )
  const tokens = answers.map((answer) => answer.json().refreshToken as string)
  for (const next of tokens) t.equal(await status(instances[0], next), 200, 'and each goes on')
})

t.test('a session that goes on and on keeps no expired token', async (t) => {
  const [app] = await twoInstances(t)
  let token = await signIn(app)
  const tokens = () => app.database.reader.selectFrom('refresh_tokens').select('used_at').execute()
  for (let n = 0; n < 3; n += 1) token = await exchange(app, token)
  t.equal((await tokens()).length, 4, 'used ones stay until they expire: a copy is known by them')
  await app.database.writer
    .updateTable('refresh_tokens')
    .set({ expires_at: new Date(Date.now() - 1000).toISOString() })
    .where('used_at', 'is not', null)
    .execute()
  token = await exchange(app, token)
  t.equal((await tokens()).length, 2)
  t.equal(await status(app, token), 200)
})

t.test('a client that lost the answer gets another within the grace', async (t) => {
  const [app] = await twoInstances(t)
  const token = await signIn(app)
  await exchange(app, token)
  await age(app, token, 25)
  const again = await exchange(app, token)
  t.equal(await status(app, again), 200)
})

t.test('a token that comes after the grace ends its session, in all its branches', async (t) => {
  const [one, two] = await twoInstances(t)
  const other = await signIn(one)
  const token = await signIn(one)
  const branches = await Promise.all([exchange(one, token), exchange(two, token)])
  const [further] = await Promise.all(branches.map((branch) => exchange(two, branch)))
  await age(one, token, 31)
  t.equal(await status(two, token), 401)
  for (const each of [token, ...branches, further!]) {
    t.equal(await status(one, each), 401, 'none of the session is good any more')
  }
  t.equal(await status(one, other), 200, 'another session of the account goes on')
})

t.test('REFRESH_GRACE sets the seconds, and 0 gives none', async (t) => {
  const [short] = await twoInstances(t, { REFRESH_GRACE: '10s' })
  const token = await signIn(short)
  await exchange(short, token)
  await age(short, token, 9)
  await exchange(short, token)
  await age(short, token, 11)
  t.equal(await status(short, token), 401)

  const none = await twoInstances(t, { REFRESH_GRACE: '0' })
  const once = await signIn(none[0])
  const answers = await Promise.all(none.map((app) => status(app, once)))
  t.strictSame(answers.sort(), [200, 401])
})

t.test('sign-out ends every token of the session at once, the grace too', async (t) => {
  const [one, two] = await twoInstances(t)
  for (const which of ['exchanged', 'latest'] as const) {
    const token = await signIn(one)
    const next = await exchange(one, token)
    const sibling = await exchange(two, token)
    const refreshToken = which === 'exchanged' ? token : next
    t.equal((await post(two, '/v1/signout', { refreshToken })).statusCode, 204)
    for (const each of [token, next, sibling]) t.equal(await status(one, each), 401, which)
  }
})

t.test('a sign-out amid refreshes on two instances leaves nothing to go on with', async (t) => {
  const instances = await twoInstances(t, { RATE_LIMIT_MAX: '100000' })
  const tokens = new Set([await signIn(instances[0])])
  const first = [...tokens][0]!
  let signedOut = false
  const refreshes = Array.from({ length: 12 }, async (_, n) => {
    const answer = await refresh(instances[n % 2]!, first)
    if (answer.statusCode !== 200) return void t.ok(signedOut, 'refused only after the sign-out')
    const { refreshToken } = answer.json()
    tokens.add(refreshToken)
  })
  await Promise.race(refreshes)
  signedOut = true
  await post(instances[1]!, '/v1/signout', { refreshToken: first })
  await Promise.all(refreshes)
  for (const token of tokens) t.equal(await status(instances[0], token), 401)
})

t.test('the end of all sessions of an account takes the grace with it', async (t) => {
  const settings = { ADMIN_EMAIL: credentials.email, ADMIN_PASSWORD: 'correct horse battery' }
  const app = await startApp(t)
  await post(app, '/v1/signup', credentials)
  const token = await signIn(app)
  const next = await exchange(app, token)
  // The account becomes the first admin's, which ends the sessions of whoever had it.
  const promoted = await startApp(t, { ...settings, DATABASE_URL: app.config.DATABASE_URL })
  await promoted.firstAdmin
  for (const each of [token, next]) t.equal(await status(app, each), 401)
})

t.test('a session that was checked against an old password does not begin', async (t) => {
  const app = await startApp(t)
  await post(app, '/v1/signup', credentials)
  const signedIn = await app.accounts.signIn(credentials.email, credentials.password)
  await app.database.writer
    .transaction()
    .execute((trx) => trx.updateTable('users').set({ password_hash: 'another' }).execute())
  const refused = await app.sessions.begin(signedIn, 'address').catch((error) => error)
  t.equal(refused.statusCode, 401)
})
