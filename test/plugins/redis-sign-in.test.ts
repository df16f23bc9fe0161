import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createSignIn } from '../../plugins/redis-sign-in.ts'
import { temporaryFolder } from '../support/app.ts'
import { mastersOf, redisCluster } from '../support/cache.ts'
import { type Entra, startEntra } from '../support/entra.ts'
import { freePort } from '../support/free-port.ts'
import { databaseReady, startServer } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const renewals = 20
/** Seconds. A renewal comes at half of it, and has the other half to be done, on a busy machine too. */
const lifetime = 1.5
t.setTimeout(300_000)

/** A client that signs in with tokens of `entra`; `errors` is what it complained of, `closed` how often it lost a connection. */
function signedIn(t: Test, client: Redis | Cluster, entra: Entra) {
  const errors: string[] = []
  const onError = (error: Error) => void errors.push(error.message)
  client.on('error', onError)
  const signIn = createSignIn(client, {
    credential: async () => entra.credential,
    user: undefined,
    onError,
  })
  t.teardown(() => {
    signIn.stop()
    client.disconnect()
  })
  const closed = new Map<Redis, number>()
  const count = (node: Redis) =>
    node.on('close', () => closed.set(node, (closed.get(node) ?? 0) + 1))
  if (client instanceof Cluster) client.on('+node', count)
  else count(client)
  signIn.start(() => client.connect().catch(() => {}))
  return { errors, losses: () => [...closed.values()].reduce((sum, n) => sum + n, 0) }
}

const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: () => 50,
}

/** Sends commands without pause, 50 at a time, until `issued` tokens have been given; counts answers and failures. */
async function load(client: Redis | Cluster, entra: Entra, keys: string[]) {
  const seen = { answered: 0, failed: 0 }
  const end = entra.issued() + renewals
  await until(
    'the tokens have been renewed',
    async () => {
      const commands = Array.from({ length: 50 }, (_, n) => client.incr(keys[n % keys.length]!))
      for (const outcome of await Promise.allSettled(commands)) {
        seen[outcome.status === 'fulfilled' ? 'answered' : 'failed']++
      }
      return entra.issued() >= end
    },
    60_000,
  )
  return seen
}

t.test('one server: 20 renewals under load drop no command and no connection', async (t) => {
  const redis = await startRedis(t)
  const entra = await startEntra(t, [redis.client], lifetime)
  const client = new Redis(redis.port, '127.0.0.1', options)
  const { errors, losses } = signedIn(t, client, entra)
  await until('connected', () => client.status === 'ready')
  const { answered, failed } = await load(client, entra, ['n'])
  t.equal(failed, 0)
  t.equal(Number(await client.get('n')), answered, 'each command was carried out once')
  t.equal(losses(), 0)
  t.strictSame(errors, [])

  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await until('it comes back with the token of that time', async () =>
    client.incr('n').catch(() => undefined),
  )
})

t.test('a cluster: the connections to all nodes are renewed', async (t) => {
  const { url, client: admin } = await redisCluster(t)
  const masters = mastersOf(admin)
  const entra = await startEntra(t, masters, lifetime)
  const nodes = url
    .split(',')
    .map((node) => ({ host: '127.0.0.1', port: Number(new URL(node).port) }))
  const client = new Cluster(nodes, {
    lazyConnect: true,
    redisOptions: options,
    enableOfflineQueue: false,
  })
  const { errors, losses } = signedIn(t, client, entra)
  await until('connected', () => client.status === 'ready')
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  // The client opens a connection to a node with the first command for it.
  await until('all nodes are open', async () => {
    await Promise.allSettled(keys.map((key) => client.get(key)))
    return client.nodes('master').every((node) => node.status === 'ready')
  })
  const before = losses()
  const { answered, failed } = await load(client, entra, keys)
  t.ok(answered > 0)
  t.equal(failed, 0)
  t.equal(losses() - before, 0)
  t.strictSame(errors, [])
})

t.test('without a token nothing connects; with the first one it does', async (t) => {
  const redis = await startRedis(t)
  const entra = await startEntra(t, [redis.client], 60)
  entra.fail()
  const client = new Redis(redis.port, '127.0.0.1', options)
  const { errors } = signedIn(t, client, entra)
  await until('it says why', () => errors.includes('no tokens today'))
  t.equal(client.status, 'wait')
  entra.recover()
  await until('connected', () => client.status === 'ready')
})

/** A certificate for 127.0.0.1 that nobody else trusts. */
function selfSigned(t: Test) {
  const folder = temporaryFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const name = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...name]
  execFileSync('openssl', [...args, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key, cert }
}

t.test(
  'the service over TLS, with tokens from App Service: no request fails, no command is refused',
  async (t) => {
    const { key, cert } = selfSigned(t)
    const port = await freePort()
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
    const redis = await startRedis(t, [
      '--tls-port',
      `${port}`,
      '--tls-auth-clients',
      'no',
      ...files,
    ])
    const entra = await startEntra(t, [redis.client], 2)
    const server = await startServer(t, {
      ...entra.env,
      AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential',
      REDIS_URL: `rediss://127.0.0.1:${port}?authentication=azure`,
      NODE_EXTRA_CA_CERTS: cert,
      RATE_LIMIT_MAX: '1000000',
    })
    await databaseReady(server.url)
    const ask = async (path: string) => {
      const answer = await fetch(`${server.url}${path}`)
      await answer.arrayBuffer()
      return `${answer.status} ${answer.headers.get('cache-status')?.match(/hit|stored|bypass.*/)?.[0]}`
    }
    await until('it is cached', async () => (await ask('/v1/types')) === '200 hit', 20_000)
    const stat = async () =>
      /total_connections_received:(\d+)/.exec(await redis.client.info('stats'))?.[1]
    const connections = await stat()
    const outcomes = new Map<string, number>()
    const end = entra.issued() + renewals
    let page = 0
    await until(
      'the tokens have been renewed',
      async () => {
        // A hit, which is checked with Redis, and answers that are new to the cache.
        const paths = ['/v1/types', `/v1/animes?limit=1&minYear=${1960 + (page++ % 60)}`]
        for (const outcome of await Promise.all(paths.map(ask))) {
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        }
        return entra.issued() >= end
      },
      90_000,
    )
    // A busy machine may answer later than a check waits; that bypasses the cache and costs no connection.
    const usual = (outcome: string) =>
      /^200 (hit|stored|bypass; detail=redis-unavailable;.*)$/.test(outcome)
    t.strictSame(
      [...outcomes.keys()].filter((outcome) => !usual(outcome)),
      [],
    )
    t.ok((outcomes.get('200 hit') ?? 0) > renewals, `${outcomes.get('200 hit')} hits`)
    t.notMatch(await redis.client.info('errorstats'), /NOAUTH|NOPERM|WRONGPASS/)
    // A machine that stands still for half a second costs connections, whoever signs in how.
    const skip = /Socket timeout/.test(server.stdout()) && 'the machine was too slow'
    t.equal(await stat(), connections, 'all on the connections it had', { skip })
    t.notMatch(server.stdout(), /"msg":"redis:/, { skip })
    t.notMatch(server.stdout() + server.stderr(), /e30\.|signature-/, 'no token in a log')
  },
)
