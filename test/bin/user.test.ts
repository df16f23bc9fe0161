import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  isResetToken,
  resetAccount,
  resetLifetime,
  resetToken,
} from '../../plugins/accounts/reset-token.ts'
import { post } from '../support/accounts.ts'
import { startApp, temporaryFolder } from '../support/app.ts'
import { run } from '../support/process.ts'

async function user(t: Test, url: string, ...args: string[]) {
  const env = { DATABASE_URL: url, JWT_SECRET: 'x'.repeat(32) }
  const running = run(t, 'bin/user.ts', args, env)
  const { code } = await running.exited
  return { code, stdout: running.stdout(), stderr: running.stderr() }
}

t.test('roles are listed, granted and revoked on the command line', async (t) => {
  const app = await startApp(t)
  const url = app.config.DATABASE_URL
  const ada = { email: 'ada@example.com', password: 'a long phrase is best' }
  await post(app, '/v1/signup', ada)
  const listed = await user(t, url, 'list')
  t.equal(listed.code, 0)
  t.match(listed.stdout, /^ada@example\.com {2}user {3}20\d\d-/)

  const granted = await user(t, url, 'grant', 'Ada@Example.com', 'admin')
  t.strictSame(granted, { code: 0, stdout: 'ada@example.com now has the role admin\n', stderr: '' })
  const again = await user(t, url, 'grant', 'ada@example.com', 'admin')
  t.match(again, { code: 0, stdout: /still has the role admin/ })
  const session = (await post(app, '/v1/signin', ada)).json()
  t.equal(session.user.role, 'admin')

  const revoked = await user(t, url, 'revoke', 'ada@example.com', 'admin')
  t.match(revoked, { code: 0, stdout: /now has the role user/ })
  const { refreshToken } = session
  t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401, 'its sessions ended')
  t.equal((await post(app, '/v1/signin', ada)).json().user.role, 'user')
})

t.test('what it cannot do is one line and exit code 1', async (t) => {
  const url = `sqlite:${join(temporaryFolder(t), 'anime.db')}`
  for (const [args, line] of [
    [['grant', 'nobody@example.com', 'admin'], /^user: there is no account nobody@example\.com\n$/],
    [
      ['grant', 'ada@example.com', 'root'],
      /^user: grant: got the role "root", wants user or admin\n$/,
    ],
    [['revoke', 'ada@example.com', 'user'], /^user: revoke: got the role "user", wants admin\n$/],
    [['grant', 'ada@example.com'], /^user: wants list, grant EMAIL ROLE.*\n$/],
    [['frobnicate'], /^user: wants list/],
    [[], /^user: wants list/],
  ] as const) {
    const { code, stdout, stderr } = await user(t, url, ...args)
    t.strictSame([code, stdout], [1, ''], args.join(' '))
    t.match(stderr, line)
  }
  const help = await user(t, url, '--help')
  t.match(help, { code: 0, stdout: /^usage: npm run user -- COMMAND/ })
})

t.test('reset prints a token that sets the password once', async (t) => {
  const app = await startApp(t, { JWT_SECRET: 'x'.repeat(32) })
  const url = app.config.DATABASE_URL
  const ada = { email: 'ada@example.com', password: 'a long phrase is best' }
  await post(app, '/v1/signup', ada)
  const { refreshToken } = (await post(app, '/v1/signin', ada)).json()
  const { code, stdout } = await user(t, url, 'reset', 'Ada@example.com')
  t.equal(code, 0)
  t.match(stdout, /^[\w.-]+\n$/)
  const token = stdout.trim()
  const password = 'what I shall remember'
  const reset = (token: string, to = password) => post(app, '/v1/reset', { token, password: to })
  t.match((await reset(token, 'short')).json().errors, [{ field: 'password' }])
  for (const forged of ['x', '1.99999999999.x', token.replace(/^\d+/, '2'), `${token}x`]) {
    t.match((await reset(forged)).json(), { status: 400, errors: [{ field: 'token' }] }, forged)
  }
  const both = await Promise.all([reset(token), reset(token)])
  t.strictSame(both.map(({ statusCode }) => statusCode).sort(), [204, 400], 'once, also at once')
  t.equal((await post(app, '/v1/refresh', { refreshToken })).statusCode, 401, 'its sessions ended')
  t.equal((await post(app, '/v1/signin', { ...ada, password })).statusCode, 200)
  t.equal((await reset(token)).statusCode, 400)

  const second = (await user(t, url, 'reset', ada.email)).stdout.trim()
  const [id, expires, signature] = second.split('.')
  t.equal((await reset([id, Number(expires) + 60, signature].join('.'))).statusCode, 400)
  const nobody = await user(t, url, 'reset', 'nobody@example.com')
  t.match(nobody, { code: 1, stderr: /^user: there is no account nobody@example\.com\n$/ })
})

t.test('a token of a reset is good for an hour', (t) => {
  const row = { id: 7, email: 'a@b', role: 'user' as const, created_at: '', firebase_uid: null }
  const ada = { ...row, password_hash: 'hash' }
  const key = 'x'.repeat(32)
  const now = Date.now()
  const fresh = resetToken(key, ada, now - (resetLifetime - 5) * 1000)
  t.equal(resetAccount(fresh), 7)
  t.ok(isResetToken(key, ada, fresh))
  t.notOk(isResetToken(key, { ...ada, password_hash: 'another' }, fresh))
  t.notOk(isResetToken('y'.repeat(32), ada, fresh))
  t.equal(resetAccount(resetToken(key, ada, now - (resetLifetime + 5) * 1000)), undefined)
  t.end()
})
