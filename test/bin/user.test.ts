import { join } from 'node:path'
import t, { type Test } from 'tap'
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
