import t from 'tap'
import { post } from '../support/accounts.ts'
import { startApp, type Teardown } from '../support/app.ts'

const password = 'a long phrase is best'

t.test('sign up, sign in, who am I', async (t) => {
  const app = await startApp(t)
  const made = await post(app, '/v1/signup', { email: 'Ada@Example.com', password })
  t.equal(made.statusCode, 201)
  t.equal(made.headers.location, 'me')
  t.equal(made.headers['cache-control'], 'no-store')
  t.match(made.json(), { email: 'ada@example.com', role: 'user' })

  const session = await post(app, '/v1/signin', { email: 'ADA@example.COM', password })
  t.equal(session.statusCode, 200)
  const { accessToken, user, ...rest } = session.json()
  t.strictSame(user, made.json())
  t.match(rest, { tokenType: 'Bearer', expiresIn: 900, refreshToken: /^[\w-]{43}$/ })
  const me = await app.inject({
    url: '/v1/me',
    headers: { authorization: `Bearer ${accessToken}` },
  })
  t.strictSame(me.json(), user)
  await app.database.writer.deleteFrom('users').execute()
  const gone = await app.inject({
    url: '/v1/me',
    headers: { authorization: `Bearer ${accessToken}` },
  })
  t.equal(gone.statusCode, 401)
})

t.test('an e-mail has one account, whatever its case, also for two sign-ups at once', async (t) => {
  const app = await startApp(t)
  const answers = await Promise.all(
    ['twin@example.com', 'Twin@Example.com'].map((email) =>
      post(app, '/v1/signup', { email, password }),
    ),
  )
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, 409])
})

t.test('sign-up says what is wrong with what it got', async (t) => {
  const app = await startApp(t, { TRUST_PROXY: '1' })
  const email = 'ada@example.com'
  for (const [body, field, message] of [
    [{ email, password, role: 'admin' }, 'role', /not known/],
    [{ email, password: 'short' }, 'password', /8 to 128 characters; it has 5/],
    [{ email, password: 'x'.repeat(129) }, 'password', /it has 129/],
    [{ email, password: 'Password123' }, 'password', /attacker/],
    [{ email, password: '23456789' }, 'password', /attacker/],
    [{ email, password: 'Ada@Example.com' }, 'password', /must not be the e-mail/],
    [{ email: 'nobody', password }, 'email', /./],
    [{ email: 'ä@example.com', password }, 'email', /./],
    [{ email: `${'x'.repeat(250)}@example.com`, password }, 'email', /./],
    [{ email }, 'password', /missing/],
    [{ email, password: 12345678 }, 'password', /./],
  ] as const) {
    const answer = await post(app, '/v1/signup', body, '10.0.0.1')
    if (answer.statusCode === 429) t.fail('throttled before the body was checked')
    t.equal(answer.statusCode, 400, JSON.stringify(body))
    t.match(answer.json().errors, [{ field, message }])
    t.notMatch(answer.body, /Password123|12345678/)
  }
  t.strictSame(await app.database.reader.selectFrom('users').selectAll().execute(), [])
})

t.test('a password of 8 characters outside ASCII is one', async (t) => {
  const app = await startApp(t)
  const credentials = { email: 'emoji@example.com', password: '🦊🦊🦊🐻🐼🐨🐯🦁' }
  t.equal((await post(app, '/v1/signup', credentials)).statusCode, 201)
  t.equal((await post(app, '/v1/signin', credentials)).statusCode, 200)
})

t.test(
  'a wrong password and an unknown e-mail get the same answer after the same work',
  async (t) => {
    const app = await startApp(t, { TRUST_PROXY: '1' })
    await post(app, '/v1/signup', { email: 'ada@example.com', password })
    const times: Record<string, number[]> = { 'ada@example.com': [], 'nobody@example.com': [] }
    const bodies = new Set<string>()
    for (let round = 0; round < 5; round++) {
      for (const [email, taken] of Object.entries(times)) {
        const before = process.hrtime.bigint()
        const answer = await post(
          app,
          '/v1/signin',
          { email, password: 'not it' },
          `10.0.0.${round}`,
        )
        taken.push(Number(process.hrtime.bigint() - before) / 1e6)
        t.equal(answer.statusCode, 401)
        bodies.add(answer.body)
      }
    }
    t.equal(bodies.size, 1)
    const [known, unknown] = Object.values(times).map((taken) => Math.min(...taken))
    t.ok(unknown! > known! / 3, `${unknown} ms for an unknown e-mail, ${known} ms for a known one`)
  },
)

t.test('refresh tokens rotate, and one that comes twice ends its session', async (t) => {
  const app = await startApp(t, { REFRESH_GRACE: '0' })
  const credentials = { email: 'ada@example.com', password }
  await post(app, '/v1/signup', credentials)
  const refresh = (refreshToken: string) => post(app, '/v1/refresh', { refreshToken })
  const first = (await post(app, '/v1/signin', credentials)).json().refreshToken
  const other = (await post(app, '/v1/signin', credentials)).json().refreshToken
  const second = (await refresh(first)).json().refreshToken
  const third = (await refresh(second)).json()
  t.match(third, { accessToken: String, refreshToken: String, user: { role: 'user' } })

  t.equal((await refresh(first)).statusCode, 401)
  t.equal(
    (await refresh(third.refreshToken)).statusCode,
    401,
    'the thief is out, and so is the owner',
  )
  t.equal((await refresh(other)).statusCode, 200, 'another session of the account goes on')
  t.equal((await refresh('never given out')).statusCode, 401)
  const hashes = await app.database.reader.selectFrom('refresh_tokens').select('hash').execute()
  t.notOk(
    hashes.some(({ hash }) => [first, second, other].includes(hash)),
    'kept as hashes',
  )
})

t.test('a refresh token expires, and sign-out ends its session', async (t) => {
  const app = await startApp(t)
  const credentials = { email: 'ada@example.com', password }
  await post(app, '/v1/signup', credentials)
  const { refreshToken } = (await post(app, '/v1/signin', credentials)).json()
  t.equal((await post(app, '/v1/signout', { refreshToken })).statusCode, 204)
  t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401)
  t.equal((await post(app, '/v1/signout', { refreshToken: 'unknown' })).statusCode, 204)

  const late = (await post(app, '/v1/signin', credentials)).json().refreshToken
  const past = new Date(Date.now() - 1000).toISOString()
  await app.database.writer.updateTable('refresh_tokens').set({ expires_at: past }).execute()
  t.equal((await post(app, '/v1/refresh', { refreshToken: late })).statusCode, 401)
})

t.test('the exchange of ID tokens is not here without Firebase', async (t) => {
  const app = await startApp(t)
  const answer = await post(app, '/v1/signin/firebase', { idToken: 'x' })
  t.equal(answer.statusCode, 404)
  t.match(answer.json().detail, /not configured/)
})

t.test('a role given later shows at the next refresh', async (t) => {
  const app = await startApp(t)
  const credentials = { email: 'ada@example.com', password }
  const { id } = (await post(app, '/v1/signup', credentials)).json()
  const { refreshToken } = (await post(app, '/v1/signin', credentials)).json()
  await app.accounts.setRole(
    (await app.database.reader.selectFrom('users').selectAll().executeTakeFirstOrThrow())!,
    'admin',
  )
  const { accessToken, user } = (await post(app, '/v1/refresh', { refreshToken })).json()
  t.match(user, { id, role: 'admin' })
  const added = await app.inject({
    method: 'POST',
    url: '/v1/animes',
    headers: { authorization: `Bearer ${accessToken}` },
    payload: { title: 'Frieren' },
  })
  t.equal(added.statusCode, 201)
})

t.test('ADMIN_EMAIL makes the first admin once, with several instances at once', async (t) => {
  const admin = { ADMIN_EMAIL: 'Root@example.com', ADMIN_PASSWORD: 'correct horse battery' }
  const app = await startApp(t, admin)
  const [second, third] = await Promise.all(
    [1, 2].map(() => startApp(t, { ...admin, DATABASE_URL: app.config.DATABASE_URL })),
  )
  await Promise.all([app.firstAdmin, second!.firstAdmin, third!.firstAdmin])
  const rows = await app.database.reader.selectFrom('users').select(['email', 'role']).execute()
  t.same(rows, [{ email: 'root@example.com', role: 'admin' }])
  const session = await post(app, '/v1/signin', {
    email: 'root@example.com',
    password: 'correct horse battery',
  })
  t.equal(session.json().user.role, 'admin')
})

t.test('ADMIN_EMAIL promotes an account, which then has ADMIN_PASSWORD', async (t) => {
  const first = await startApp(t)
  const email = 'root@example.com'
  await post(first, '/v1/signup', { email, password })
  const { refreshToken } = (await post(first, '/v1/signin', { email, password })).json()
  const app = await startApp(t, {
    DATABASE_URL: first.config.DATABASE_URL,
    ADMIN_EMAIL: email,
    ADMIN_PASSWORD: 'correct horse battery',
  })
  await app.firstAdmin
  t.equal((await post(app, '/v1/signin', { email, password })).statusCode, 401)
  t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401)
  const owner = await post(app, '/v1/signin', { email, password: 'correct horse battery' })
  t.equal(owner.json().user.role, 'admin')
})

t.test('an ADMIN_PASSWORD that anybody would guess stops the start', async (t) => {
  const weak = { ADMIN_EMAIL: 'root@example.com', ADMIN_PASSWORD: 'password123' }
  await t.rejects(startApp(t, weak), { message: /^ADMIN_PASSWORD: is among the first/ })
})

const ada = { email: 'ada@example.com', password }

/** An account that is signed in twice, and what its first session sends. */
async function signedIn(t: Teardown, settings: NodeJS.ProcessEnv = {}) {
  const app = await startApp(t, settings)
  await post(app, '/v1/signup', ada)
  const { accessToken, refreshToken } = (await post(app, '/v1/signin', ada)).json()
  const other = (await post(app, '/v1/signin', ada)).json().refreshToken as string
  const send = (url: string, payload: object, token: string = accessToken) =>
    app.inject({
      method: 'POST',
      url,
      payload,
      headers: { authorization: `Bearer ${token}` },
    })
  const isAlive = async (refreshToken: string) =>
    (await post(app, '/v1/refresh', { refreshToken })).statusCode === 200
  return { app, send, isAlive, refreshToken: refreshToken as string, other, accessToken }
}

t.test('a new password takes the old one, ends all sessions and begins one', async (t) => {
  const { app, send, isAlive, refreshToken, other } = await signedIn(t)
  const newPassword = 'an even longer phrase'
  for (const [body, field] of [
    [{ password: 'not it', newPassword }, 'password'],
    [{ password, newPassword: 'short' }, 'newPassword'],
    [{ password, newPassword: ada.email }, 'newPassword'],
    [{ newPassword }, 'password'],
  ] as const) {
    const refused = await send('/v1/me/password', body)
    t.equal(refused.statusCode, 400, JSON.stringify(body))
    t.match(refused.json().errors, [{ field }])
  }
  t.equal((await send('/v1/me/password', { password, newPassword }, 'x.y.z')).statusCode, 401)
  const changed = await send('/v1/me/password', { password, newPassword })
  t.equal(changed.statusCode, 200)
  t.match(changed.json(), { tokenType: 'Bearer', user: { email: ada.email } })
  t.notOk(await isAlive(refreshToken))
  t.notOk(await isAlive(other))
  t.ok(await isAlive(changed.json().refreshToken))
  t.equal((await post(app, '/v1/signin', ada)).statusCode, 401, 'the old one is nothing any more')
  const renewed = { ...ada, password: newPassword }
  t.equal((await post(app, '/v1/signin', renewed)).statusCode, 200)
})

t.test('an account is removed by its owner, who has its password', async (t) => {
  const { app, send, isAlive, refreshToken, accessToken } = await signedIn(t)
  t.match((await send('/v1/me/remove', { password: 'not it' })).json().errors, [
    { field: 'password' },
  ])
  t.equal((await send('/v1/me/remove', {})).statusCode, 400)
  t.equal((await send('/v1/me/remove', { idToken: 'x' })).statusCode, 404, 'no Firebase here')
  t.equal((await send('/v1/me/remove', { password })).statusCode, 204)
  t.notOk(await isAlive(refreshToken))
  t.equal((await post(app, '/v1/signin', ada)).statusCode, 401)
  const me = await app.inject({
    url: '/v1/me',
    headers: { authorization: `Bearer ${accessToken}` },
  })
  t.equal(me.statusCode, 401)
  for (const table of ['users', 'refresh_tokens'] as const) {
    t.strictSame(await app.database.reader.selectFrom(table).selectAll().execute(), [], table)
  }
  const again = await post(app, '/v1/signup', ada)
  t.equal(again.statusCode, 201, 'the address is free')
  t.equal(
    (await app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${accessToken}` } }))
      .statusCode,
    401,
    'and its new account is not the old token’s',
  )
})

t.test('guesses of the password of a signed-in account are limited as at a sign-in', async (t) => {
  const { send } = await signedIn(t)
  const statuses = []
  for (let n = 0; n < 9; n++) {
    statuses.push((await send('/v1/me/remove', { password: `guess ${n}` })).statusCode)
  }
  t.strictSame(new Set(statuses), new Set([400, 429]))
})

t.test('nobody but an admin is shown the e-mail of one', async (t) => {
  const email = 'chief@example.com'
  const { app, accessToken } = await signedIn(t, {
    ADMIN_EMAIL: email,
    ADMIN_PASSWORD: 'correct horse battery',
  })
  await app.firstAdmin
  const { paths } = (await app.inject('/openapi.json')).json()
  const urls = Object.keys(paths).map((path) => path.replace('{id}', '1'))
  for (const url of [...urls, '/', '/openapi.json', '/monitor', '/monitor/data', '/nowhere']) {
    for (const headers of [{}, { authorization: `Bearer ${accessToken}` }]) {
      const answer = await app.inject({ url, headers })
      t.notMatch(answer.body + JSON.stringify(answer.headers), email, url)
    }
  }
  const taken = await post(app, '/v1/signup', { email, password })
  t.equal(taken.statusCode, 409)
  t.notMatch(taken.json().detail, /admin/)
})
