import { isIP } from 'node:net'
import redis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Cluster, type ClusterNode, Redis, type RedisOptions } from 'ioredis'
import { azureCredential } from '../db/azure-credential.ts'
import { createSignIn } from './redis-sign-in.ts'

/** Milliseconds between attempts to reconnect. */
const reconnectDelay = 250

/**
 * Commands fail at once while Redis is unreachable: no offline queue, no retries, no resending after a
 * reconnect. `withTimeout` limits each command. `socketTimeout` closes a connection that stops
 * answering, during its handshake too.
 */
const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2000,
  socketTimeout: 500,
  retryStrategy: () => reconnectDelay,
} satisfies RedisOptions

/** The addresses in REDIS_URL, and what its parameters ask for; config.ts has refused what cannot work. */
function parseRedisUrl(url: string) {
  const addresses = url.split(',').map((address) => new URL(address.trim()))
  const asked = (name: string, value: string) =>
    addresses.some(({ searchParams }) => searchParams.get(name) === value)
  const cluster = addresses.length > 1 || asked('cluster', 'true')
  return { addresses, cluster, azure: asked('authentication', 'azure') }
}

/** A client that is not connected yet. */
export interface RedisConnection {
  client: Redis | Cluster
  /** Connects in the background, and again after each loss. */
  connect: () => void
  close: () => void
}

/**
 * Prepares the client for `url`, `redis://` or `rediss://`. Several addresses, separated by commas, or
 * `?cluster=true` mean a Redis Cluster. `?authentication=azure` signs in with tokens of this process's
 * Azure identity. `onError` hears of every failure to connect, to sign in or to get a token.
 */
export function openRedis(url: string, onError: (error: Error) => void): RedisConnection {
  const { addresses, cluster, azure } = parseRedisUrl(url)
  const client = cluster ? createCluster(addresses) : new Redis(url, options)
  client.on('error', onError)
  const start = () => void client.connect().catch(() => {})
  if (!azure) return { client, connect: start, close: () => client.disconnect() }
  const user = decodeURIComponent(addresses[0]!.username) || undefined
  const signIn = createSignIn(client, { credential: azureCredential, user, onError })
  const close = () => {
    signIn.stop()
    client.disconnect()
  }
  return { client, connect: () => signIn.start(start), close }
}

function createCluster(addresses: URL[]): Cluster {
  const { hostname, username, password, protocol } = addresses[0]!
  const nodes = addresses.map(
    ({ hostname, port }): ClusterNode => ({ host: hostname, port: Number(port || 6379) }),
  )
  // A node gives its address as an IP; its certificate has the name that was configured.
  const tls = isIP(hostname) === 0 ? { servername: hostname } : {}
  return new Cluster(nodes, {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => reconnectDelay,
    redisOptions: {
      ...options,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls }),
    },
  })
}

/** Decorates `app.redis` if REDIS_URL is set. It connects in the background, so the start never waits for it. */
async function redisPlugin(app: FastifyInstance) {
  const { REDIS_URL: url } = app.config
  if (url === undefined) return
  let lastError = ''
  const { client, connect, close } = openRedis(url, (error) => {
    if (error.message !== lastError) app.log.warn(`redis: ${error.message}`)
    lastError = error.message
  })
  client.on('ready', () => {
    lastError = ''
  })
  // @fastify/redis waits for a client that is not ready, so it is shown one that claims to be.
  const { status } = client
  client.status = 'ready'
  await app.register(redis, { client: client as Redis })
  client.status = status
  connect()
  app.addHook('onClose', close)
}

export default fp(redisPlugin, { name: 'redis', dependencies: ['config'] })
