import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../config.ts'
import { temporaryFolder } from './support/app.ts'
import { run, startServer } from './support/process.ts'

t.test('with nothing set there is a default for all that is needed', async (t) => {
  const config = loadConfig({})
  t.match(config, {
    HOST: '127.0.0.1',
    PORT: 3000,
    LOG_LEVEL: 'info',
    DATABASE_URL: 'sqlite:.data/anime.db',
    CACHE_TTL: 3600,
    CACHE_MAX_BYTES: 268_435_456,
    JWT_TTL: '15m',
    REFRESH_TTL: '7d',
    READ_ROLE: 'public',
  })
  t.equal(config.REDIS_URL, undefined)
})

t.test('an empty variable counts as unset', async (t) => {
  const empty = Object.fromEntries(
    ['PORT', 'REDIS_URL', 'ADMIN_EMAIL', 'JWT_SECRET', 'READ_ROLE'].map((name) => [name, '']),
  )
  t.strictSame(loadConfig(empty), loadConfig({}))
})

t.test('variables of other programs are nobody’s business here', async (t) => {
  t.strictSame(loadConfig({ PATH: '/bin', PORTS: 'x', HOME: '/' }), loadConfig({}))
})

const secret = 's3cret-'.repeat(3)
const wrong: [env: NodeJS.ProcessEnv, line: RegExp][] = [
  [{ PORT: 'abc' }, /^PORT: got "abc", wants .*integer$/],
  [{ PORT: '65536' }, /^PORT: got "65536", wants .*<= 65535$/],
  [{ PORT: '-1' }, /^PORT: got "-1", wants .*>= 0$/],
  [{ PORT: '80.5' }, /^PORT: got "80.5", wants .*integer$/],
  [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL: got "loud", wants trace, debug, info/],
  [{ DATABASE_URL: 'postgres://x' }, /^DATABASE_URL: got .* wants sqlite:PATH or mssql:/],
  [{ DATABASE_URL: 'sqlite:' }, /^DATABASE_URL: got .* wants sqlite:PATH/],
  [{ REDIS_URL: 'localhost:6379' }, /^REDIS_URL: got .* wants redis:/],
  [
    { REDIS_URL: 'redis://a:1?authentication=azure' },
    /^REDIS_URL: got authentication, wants .*rediss/,
  ],
  [
    { REDIS_URL: 'redis://:pa/ss@host:6379' },
    /^REDIS_URL: got a value of 24 characters, wants [^\n]+%2F/,
  ],
  [{ REDIS_URL: 'redis://a:1,redis://b:70000' }, /^REDIS_URL: got .* wants redis:/],
  [{ REDIS_URL: 'redis://a:1,b:2' }, /^REDIS_URL: got .* wants redis:/],
  [{ TRUST_PROXY: 'yes' }, /^TRUST_PROXY: got "yes", wants a number of proxies, /],
  [{ TRUST_PROXY: '10.0.0.0/33' }, /^TRUST_PROXY: got /],
  [{ TRUST_PROXY: '10.0.0.1, 2001:db8::/129' }, /^TRUST_PROXY: got /],
  [{ REDIS_URL: 'rediss://u:p@a:1?authentication=azure' }, /^REDIS_URL: .* and no password$/],
  [{ REDIS_URL: 'rediss://a:1?authentication=entra' }, /^REDIS_URL: .* wants authentication=azure/],
  [{ REDIS_URL: 'rediss://a:1,redis://b:1?authentication=azure' }, /^REDIS_URL: .* rediss:/],
  [{ CACHE_TTL: '0' }, /^CACHE_TTL: got "0", wants .*>= 1$/],
  [{ CACHE_TTL: '1h' }, /^CACHE_TTL: got "1h", wants .*integer$/],
  [{ CACHE_MAX_BYTES: '1024' }, /^CACHE_MAX_BYTES: got "1024", wants .*>= 1048576$/],
  [
    { JWT_SECRET: secret },
    /^JWT_SECRET: got a value of 21 characters, wants 32 characters or more$/,
  ],
  [{ JWT_TTL: 'soon' }, /^JWT_TTL: got "soon", wants a time such as/],
  [{ REFRESH_TTL: '0d' }, /^REFRESH_TTL: got "0d", wants a time such as/],
  [{ READ_ROLE: 'root' }, /^READ_ROLE: got "root", wants public, user, admin$/],
  [{ ADMIN_EMAIL: 'me', ADMIN_PASSWORD: 'long enough' }, /^ADMIN_EMAIL: got "me", wants an e-mail/],
  [
    { ADMIN_EMAIL: 'a@b.example', ADMIN_PASSWORD: 'short' },
    /^ADMIN_PASSWORD: got a value of 5 characters, wants/,
  ],
  [{ ADMIN_EMAIL: 'a@b.example' }, /^ADMIN_PASSWORD: got none, wants/],
  [{ ADMIN_PASSWORD: 'long enough' }, /^ADMIN_EMAIL: got none, wants/],
  [
    { FIREBASE_AUTH_EMULATOR_HOST: 'http://x' },
    /^FIREBASE_AUTH_EMULATOR_HOST: got .* wants HOST:PORT/,
  ],
  [
    { NODE_ENV: 'production', FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099' },
    /^FIREBASE_AUTH_EMULATOR_HOST: got a value in production, wants none/,
  ],
  [
    { DATABASE_URL: 'mssql://sa:pass@127.0.0.1:1433/anime' },
    /^JWT_SECRET: got none, wants 32 characters or more when the database is not SQLite$/,
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://x' },
    /^OTEL_EXPORTER_OTLP_ENDPOINT: got "ftp:\/\/x", wants/,
  ],
  [{ RATE_LIMIT_MAX: 'many' }, /^RATE_LIMIT_MAX: got "many", wants .*integer$/],
]

t.test('a wrong value is one line with the variable, what it got and what it wants', async (t) => {
  for (const [env, line] of wrong) {
    try {
      loadConfig(env)
      t.fail(`${JSON.stringify(env)} is taken`)
    } catch (error) {
      t.ok(error instanceof ConfigError, JSON.stringify(env))
      t.match((error as Error).message, line)
      t.notMatch((error as Error).message, /\n/)
      t.notMatch((error as Error).message, secret, 'secrets are not shown')
    }
  }
})

t.test('the process says so, a line for each, and ends with 1', async (t) => {
  const env = { PORT: 'abc', READ_ROLE: 'root', JWT_SECRET: secret }
  for (const script of ['server.ts', 'bin/migrate.ts', 'bin/import.ts']) {
    const args = script === 'bin/import.ts' ? [import.meta.filename] : []
    const { exited, stdout, stderr } = run(t, script, args, env)
    t.strictSame(await exited, { code: 1, signal: null }, script)
    t.equal(stdout(), '')
    const lines = stderr().trimEnd().split('\n')
    t.equal(lines.length, 3, stderr())
    for (const name of Object.keys(env)) {
      t.ok(lines.some((line) => line.replace(/^\w+: (?=\w+: )/, '').startsWith(`${name}: got`)))
    }
    t.notMatch(stderr(), secret)
  }
})

t.test('.env is read, and the environment goes before it', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, '.env'), 'LOG_LEVEL=loud\nREAD_ROLE=user\nPORT=abc\nCACHE_TTL=\n')
  const refused = run(t, 'server.ts', [], { PORT: '0' }, folder)
  t.equal((await refused.exited).code, 1)
  t.equal(
    refused.stderr(),
    'LOG_LEVEL: got "loud", wants trace, debug, info, warn, error, fatal, silent\n',
  )
  const { url, stop } = await startServer(t, { LOG_LEVEL: 'info' }, folder)
  t.equal((await fetch(`${url}/health/live`)).status, 200)
  t.equal((await stop()).code, 0)
})
