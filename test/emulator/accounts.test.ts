import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { post } from '../support/accounts.ts'
import { startApp } from '../support/app.ts'
import { noEmulator, project, startEmulator } from '../support/emulator.ts'

const password = 'a long phrase is best'

t.test(
  'accounts by Firebase, against its emulator',
  { skip: noEmulator, timeout: 180_000 },
  async (t) => {
    const emulator = await startEmulator(t)
    const settings = { FIREBASE_PROJECT_ID: project, FIREBASE_AUTH_EMULATOR_HOST: emulator.host }
    const start = (t: Test, more: NodeJS.ProcessEnv = {}) => startApp(t, { ...settings, ...more })
    const role = async (email: string) =>
      JSON.parse((await emulator.find(email))?.customAttributes ?? '{}').role

    t.test('sign-up makes the Firebase user, its role claim and the row', async (t) => {
      const app = await start(t)
      const made = await post(app, '/v1/signup', { email: 'Ada@Example.com', password })
      t.equal(made.statusCode, 201)
      t.match(made.json(), { email: 'ada@example.com', role: 'user' })
      t.equal(await role('ada@example.com'), 'user')
      const [row] = await app.database.reader.selectFrom('users').selectAll().execute()
      t.equal(row?.firebase_uid, (await emulator.find('ada@example.com'))?.localId)
      t.equal(row?.password_hash, null)
      const again = await post(app, '/v1/signup', { email: 'ADA@example.com', password })
      t.equal(again.statusCode, 409)

      const session = await post(app, '/v1/signin', { email: 'ada@EXAMPLE.com', password })
      t.equal(session.statusCode, 200)
      t.match(session.json(), { tokenType: 'Bearer', user: { email: 'ada@example.com' } })
      const refreshed = await post(app, '/v1/refresh', session.json())
      t.equal(refreshed.statusCode, 400, 'the body takes the refresh token alone')
      const { refreshToken } = session.json()
      t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 200)
    })

    t.test('the password is changed at Firebase, and all sessions end', async (t) => {
      const app = await start(t)
      const account = { email: 'change@example.com', password }
      await post(app, '/v1/signup', account)
      const { accessToken, refreshToken } = (await post(app, '/v1/signin', account)).json()
      const headers = { authorization: `Bearer ${accessToken}` }
      const change = (payload: object) =>
        app.inject({ method: 'POST', url: '/v1/me/password', headers, payload })
      const newPassword = 'an even longer phrase'
      t.equal((await change({ password: 'not it', newPassword })).statusCode, 400)
      const changed = await change({ password, newPassword })
      t.equal(changed.statusCode, 200)
      t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401)
      t.equal((await post(app, '/v1/signin', account)).statusCode, 401)
      const next = { refreshToken: changed.json().refreshToken }
      t.equal((await post(app, '/v1/refresh', next)).statusCode, 200)
      t.equal((await post(app, '/v1/reset', { token: 'x', password })).statusCode, 404)
    })

    t.test('an account is removed here and at Firebase, or nowhere', async (t) => {
      const app = await start(t)
      const account = { email: 'leave@example.com', password }
      await post(app, '/v1/signup', account)
      const { accessToken } = (await post(app, '/v1/signin', account)).json()
      const headers = { authorization: `Bearer ${accessToken}` }
      const remove = (payload: object) =>
        app.inject({ method: 'POST', url: '/v1/me/remove', headers, payload })
      await emulator.fault('fail', /accounts:delete/)
      t.equal((await remove({ password })).statusCode, 503)
      await emulator.fault('pass')
      t.equal((await post(app, '/v1/signin', account)).statusCode, 200, 'nothing is removed')
      t.equal((await remove({ idToken: 'x.y.z' })).statusCode, 400)
      const { idToken } = await emulator.client('accounts:signInWithPassword', {
        ...account,
        returnSecureToken: true,
      })
      t.equal((await remove({ idToken })).statusCode, 204, 'by a new ID token')
      t.equal(await emulator.find(account.email), undefined)
      t.equal((await post(app, '/v1/signin', account)).statusCode, 401)
    })

    t.test('a wrong password and an unknown e-mail look the same', async (t) => {
      const app = await start(t)
      await post(app, '/v1/signup', { email: 'same@example.com', password })
      const wrong = await post(app, '/v1/signin', { email: 'same@example.com', password: 'not it' })
      const unknown = await post(app, '/v1/signin', { email: 'nobody@example.com', password })
      t.equal(wrong.statusCode, 401)
      t.equal(unknown.body, wrong.body)
    })

    t.test(
      'an ID token of a Google sign-in is exchanged, always for the same account',
      async (t) => {
        const app = await start(t)
        const google = { sub: 'google-1', email: 'G@example.com', email_verified: true }
        const { idToken } = await emulator.client('accounts:signInWithIdp', {
          postBody: `id_token=${encodeURIComponent(JSON.stringify(google))}&providerId=google.com`,
          requestUri: 'http://localhost',
        })
        const [first, second] = await Promise.all([
          post(app, '/v1/signin/firebase', { idToken }),
          post(app, '/v1/signin/firebase', { idToken }),
        ])
        t.equal(first.statusCode, 200)
        t.match(first.json().user, { email: 'g@example.com', role: 'user' })
        t.strictSame(second.json().user, first.json().user)
        t.equal(await role('g@example.com'), 'user')
        const bad = await post(app, '/v1/signin/firebase', { idToken: `${idToken}x`.slice(40) })
        t.equal(bad.statusCode, 401)
      },
    )

    t.test('who signed up elsewhere gets a row at the first sign-in, as a user', async (t) => {
      const app = await start(t)
      await emulator.client('accounts:signUp', { email: 'else@example.com', password })
      const session = await post(app, '/v1/signin', { email: 'else@example.com', password })
      t.equal(session.statusCode, 200)
      t.equal(session.json().user.role, 'user')
    })

    for (const [what, end] of [
      [
        'disabled',
        (id: string) => emulator.call('accounts:update', { localId: id, disableUser: true }),
      ],
      ['deleted', (id: string) => emulator.call('accounts:delete', { localId: id })],
    ] as const) {
      t.test(`a ${what} user can neither sign in nor go on`, async (t) => {
        const app = await start(t)
        const email = `${what}@example.com`
        await post(app, '/v1/signup', { email, password })
        const { refreshToken } = (await post(app, '/v1/signin', { email, password })).json()
        const { idToken } = await emulator.client('accounts:signInWithPassword', {
          email,
          password,
        })
        await end((await emulator.find(email))!.localId)
        t.equal((await post(app, '/v1/signin', { email, password })).statusCode, 401)
        t.equal((await post(app, '/v1/signin/firebase', { idToken })).statusCode, 401)
        t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401)
      })
    }

    t.test('a revoked session is over, for its ID token and its refresh token', async (t) => {
      const app = await start(t)
      const email = 'revoked@example.com'
      await post(app, '/v1/signup', { email, password })
      const { refreshToken } = (await post(app, '/v1/signin', { email, password })).json()
      const { idToken, localId } = await emulator.client('accounts:signInWithPassword', {
        email,
        password,
      })
      const validSince = String(Math.ceil(Date.now() / 1000) + 1)
      await emulator.call('accounts:update', { localId, validSince })
      t.equal((await post(app, '/v1/signin/firebase', { idToken })).statusCode, 401)
      t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401)
    })

    t.test('while Firebase is away nothing is half-made, and sessions outlast it', async (t) => {
      const app = await start(t)
      await post(app, '/v1/signup', { email: 'stay@example.com', password })
      const session = await post(app, '/v1/signin', { email: 'stay@example.com', password })
      const { refreshToken } = session.json()
      await emulator.fault('down')
      for (const [url, body] of [
        ['/v1/signup', { email: 'away@example.com', password }],
        ['/v1/signin', { email: 'stay@example.com', password }],
        ['/v1/refresh', { refreshToken }],
      ] as const) {
        const answer = await post(app, url, body)
        t.equal(answer.statusCode, 503, url)
        t.ok(Number(answer.headers['retry-after']) > 0)
        t.match(answer.headers['content-type'], /^application\/problem\+json/)
      }
      await emulator.fault('pass')
      t.equal(await emulator.find('away@example.com'), undefined)
      t.notOk(await rowOf(app, 'away@example.com'))
      t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 200)
      const made = await post(app, '/v1/signup', { email: 'away@example.com', password })
      t.equal(made.statusCode, 201)
    })

    t.test('sign-up makes both sides or neither', async (t) => {
      const app = await start(t)
      const neither = async (t: Test, email: string) => {
        t.equal(await emulator.find(email), undefined, 'no Firebase user')
        t.notOk(await rowOf(app, email), 'no row')
      }
      t.test('when the database refuses the row', async (t) => {
        const email = 'nodb@example.com'
        await sql`create trigger broken before insert on users
        begin select raise(abort, 'broken'); end`.execute(app.database.writer)
        t.equal((await post(app, '/v1/signup', { email, password })).statusCode, 500)
        await sql`drop trigger broken`.execute(app.database.writer)
        await neither(t, email)
        t.equal((await post(app, '/v1/signup', { email, password })).statusCode, 201)
      })
      t.test('when Firebase fails half-way', async (t) => {
        const email = 'noclaim@example.com'
        await emulator.fault('fail', /accounts:update/)
        t.equal((await post(app, '/v1/signup', { email, password })).statusCode, 503)
        await emulator.fault('pass')
        await neither(t, email)
      })
      t.test('when Firebase makes the user and its answer is lost', async (t) => {
        const email = 'lost@example.com'
        await emulator.fault('lose', /accounts$/)
        t.equal((await post(app, '/v1/signup', { email, password })).statusCode, 503)
        await emulator.fault('pass')
        await neither(t, email)
      })
    })

    t.test('a role changes on both sides or on neither', async (t) => {
      const app = await start(t)
      const email = 'roles@example.com'
      await post(app, '/v1/signup', { email, password })
      await emulator.fault('fail', /accounts:update/)
      await t.rejects(app.accounts.setRole((await rowOf(app, email))!, 'admin'))
      await emulator.fault('pass')
      t.equal((await rowOf(app, email))?.role, 'user')
      t.equal(await role(email), 'user')
      await app.accounts.setRole((await rowOf(app, email))!, 'admin')
      t.equal((await rowOf(app, email))?.role, 'admin')
      t.equal(await role(email), 'admin')
    })

    t.test('the first admin is the one who knows ADMIN_PASSWORD', async (t) => {
      const email = 'root@example.com'
      await emulator.client('accounts:signUp', { email, password: 'of somebody else' })
      const admin = { ADMIN_EMAIL: email, ADMIN_PASSWORD: password }
      const app = await start(t, admin)
      await app.firstAdmin
      const squatter = await post(app, '/v1/signin', { email, password: 'of somebody else' })
      t.equal(squatter.statusCode, 401)
      const session = await post(app, '/v1/signin', { email, password })
      t.equal(session.json().user.role, 'admin')
      t.equal(await role(email), 'admin')
    })

    t.test('an address whose Firebase user was made anew does not inherit the role', async (t) => {
      const app = await start(t)
      const email = 'anew@example.com'
      await post(app, '/v1/signup', { email, password })
      await app.accounts.setRole((await rowOf(app, email))!, 'admin')
      await emulator.call('accounts:delete', { localId: (await emulator.find(email))!.localId })
      await emulator.client('accounts:signUp', { email, password: 'of somebody else' })
      const session = await post(app, '/v1/signin', { email, password: 'of somebody else' })
      t.equal(session.json().user.role, 'user')
      t.equal(await role(email), 'user')
    })
  },
)

type App = Awaited<ReturnType<typeof startApp>>

const rowOf = (app: App, email: string) =>
  app.database.reader.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst()
