import t from 'tap'
import { authenticationOf } from '../../db/dialects/mssql-connection.ts'
import { parseMssqlUrl } from '../../db/dialects/mssql-url.ts'

t.test('a short URL stands for safe settings', async (t) => {
  t.strictSame(parseMssqlUrl('mssql://sa:secret@db.example.org/anime'), {
    server: 'db.example.org',
    port: 1433,
    database: 'anime',
    login: { user: 'sa', password: 'secret' },
    encrypt: true,
    trustServerCertificate: false,
    poolMax: 10,
    acquireTimeout: 5000,
    connectTimeout: 15_000,
    requestTimeout: 15_000,
    idleTimeout: 30_000,
  })
})

t.test('every part and parameter is taken, escapes and all', async (t) => {
  const settings = parseMssqlUrl(
    'mssql://a%40b:p%23%3F%2F%25@[::1]:14330/my%20anime?encrypt=false&trustServerCertificate=true' +
      '&poolMax=3&acquireTimeout=100&connectTimeout=200&requestTimeout=300&idleTimeout=400',
  )
  t.strictSame(settings, {
    server: '::1',
    port: 14_330,
    database: 'my anime',
    login: { user: 'a@b', password: 'p#?/%' },
    encrypt: false,
    trustServerCertificate: true,
    poolMax: 3,
    acquireTimeout: 100,
    connectTimeout: 200,
    requestTimeout: 300,
    idleTimeout: 400,
  })
})

t.test('what is wrong is said in one line that keeps the password', async (t) => {
  const base = 'mssql://sa:secret@h/anime'
  const wrong: Record<string, RegExp> = {
    'mssql://sa:secret@/anime': /wants mssql:|names no host/,
    'mssql://sa:secret@h': /names no database/,
    'mssql://sa:secret@h/a/b': /names no database/,
    'mssql://h/anime': /has no user or no password/,
    'mssql://sa@h/anime': /has no user or no password/,
    'mssql://sa:secret@h:99999/anime': /wants mssql:/,
    'mssql://sa:secret#1@h/anime': /%23|wants mssql/,
    'mssql://sa:secret%@h/anime': /a % in the password that is no escape/,
    [`${base}?encrypt=yes`]: /has encrypt="yes", wants true or false/,
    [`${base}?Encrypt=true`]: /unknown parameter "Encrypt", takes encrypt, trust/,
    [`${base}?encrypt=true&encrypt=false`]: /has the parameter encrypt twice/,
    [`${base}?poolMax=0`]: /has poolMax="0", wants a whole number from 1 to 1000/,
    [`${base}?requestTimeout=15s`]: /has requestTimeout="15s", wants a whole number/,
    [`${base}?authentication=ntlm`]: /wants password or azure-active-directory-default/,
    [`${base}?authentication=azure-active-directory-default`]:
      /has a user or a password, wants none/,
  }
  for (const [url, message] of Object.entries(wrong)) {
    t.throws(() => parseMssqlUrl(url), { message }, url)
    try {
      parseMssqlUrl(url)
    } catch (error) {
      t.notMatch((error as Error).message, /secret|\n/, url)
    }
  }
})

t.test('without a login an Azure identity signs in, by a token a connection', async (t) => {
  const url = 'mssql://h/anime?authentication=azure-active-directory-default'
  const authentication = await authenticationOf(parseMssqlUrl(url))
  t.equal(authentication.type, 'token-credential')
  const { credential } = authentication.options as { credential: { getToken: unknown } }
  t.equal(typeof credential.getToken, 'function', 'a credential, no token that could grow old')
})
