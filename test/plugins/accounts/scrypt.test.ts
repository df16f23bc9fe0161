import { scryptSync } from 'node:crypto'
import t from 'tap'
import { hashPassword, isOutdated, verifyPassword } from '../../../plugins/accounts/scrypt.ts'
import { post } from '../../support/accounts.ts'
import { startApp } from '../../support/app.ts'

const ada = { email: 'ada@example.com', password: 'a long phrase is best' }
const plain = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')

t.test('a hash names its cost, is salted and verifies its own password alone', async (t) => {
  const [hash, other] = await Promise.all([hashPassword('one'), hashPassword('one')])
  t.match(hash, /^\$scrypt\$ln=14,r=8,p=5\$[\w+/]{22}\$[\w+/]{43}$/)
  t.not(hash, other)
  t.equal(await verifyPassword('one', hash), true)
  t.equal(await verifyPassword('two', hash), false)
  t.equal(await verifyPassword('one', null), false)
  t.equal(await verifyPassword('one', undefined), false)
})

t.test('a hash of another cost still verifies, and is made anew at the next sign-in', async (t) => {
  const app = await startApp(t)
  await post(app, '/v1/signup', ada)
  const salt = Buffer.from('a salt of before')
  const key = scryptSync(ada.password, salt, 32, { N: 2 ** 10, r: 8, p: 1 })
  const old = `$scrypt$ln=10,r=8,p=1$${plain(salt)}$${plain(key)}`
  t.ok(isOutdated(old))
  await app.database.writer.updateTable('users').set({ password_hash: old }).execute()
  const hash = async () =>
    (await app.database.reader.selectFrom('users').select('password_hash').executeTakeFirst())!
      .password_hash!
  t.equal((await post(app, '/v1/signin', { ...ada, password: 'no' })).statusCode, 401)
  t.equal(await hash(), old)
  t.equal((await post(app, '/v1/signin', ada)).statusCode, 200)
  t.notOk(isOutdated(await hash()))
  t.equal((await post(app, '/v1/signin', ada)).statusCode, 200)
})

t.test('when too many wait, the next come back later', async (t) => {
  const work = Array.from({ length: 70 }, () => verifyPassword('one', cheap))
  const results = await Promise.allSettled(work)
  const refused = results.filter(({ status }) => status === 'rejected')
  t.ok(refused.length > 0 && refused.length < 20, `${refused.length} refused`)
  t.match(refused[0], { reason: { statusCode: 503, headers: { 'retry-after': '5' } } })
  t.equal(await verifyPassword('one', cheap), false)
})

const cheap = `$scrypt$ln=4,r=8,p=1$${plain(Buffer.alloc(16))}$${plain(Buffer.alloc(32))}`
