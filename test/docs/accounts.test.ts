import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { noEmulator, project, startEmulator } from '../support/emulator.ts'
import { databaseReady, root, startServer } from '../support/process.ts'
import { until } from '../support/until.ts'

const page = readFileSync(join(root, 'docs/accounts.md'), 'utf8')
const [, script = ''] = /```sh\n(.*?)```/s.exec(page) ?? []
const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' }

/** Runs the commands of the page as they stand, against a service of the test's own. */
async function flow(t: Test, env: NodeJS.ProcessEnv) {
  const { url, stdout } = await startServer(t, { ...admin, ...env })
  await databaseReady(url)
  await until('the admin is there', () => stdout().includes('the first admin is there'), 30_000)
  const commands = script.replace('http://127.0.0.1:3000', url)
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
  const ran = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], {
    env: { PATH },
    timeout: 60_000,
  })
  const statuses = [...ran.stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status)
  t.strictSame(statuses, ['201', '403', '201'])
  t.match(ran.stdout, /"email":"ada@example\.com","role":"user"/)
  const [before, after] = [...ran.stdout.matchAll(/^(\d+)$/gm)].map(([, total]) => Number(total))
  t.equal(after, before! + 1, 'the list has changed')
}

t.test('the flow of docs/accounts.md works with the built-in accounts', (t) => flow(t, {}))

t.test('and with Firebase', { skip: noEmulator, timeout: 180_000 }, async (t) => {
  const { host } = await startEmulator(t)
  await flow(t, { FIREBASE_PROJECT_ID: project, FIREBASE_AUTH_EMULATOR_HOST: host })
})
