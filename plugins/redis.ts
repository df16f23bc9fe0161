import redis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Cluster, type ClusterNode, Redis, type RedisOptions } from 'ioredis'

/** The hash tag of the cache's keys. */
export const cacheHashTag = 'animes'

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

/**
 * Creates the client for `url`, `redis://` or `rediss://`. Several addresses, separated by commas, or
 * `?cluster=true` mean a Redis Cluster.
 */
export function createRedis(url: string): Redis | Cluster {
  const addresses = url.split(',').map((address) => new URL(address.trim()))
  const [first] = addresses
  const cluster = addresses.length > 1 || first!.searchParams.get('cluster') === 'true'
  if (!cluster) return new Redis(url, options)
  const { username, password, protocol } = first!
  const nodes = addresses.map(
    ({ hostname, port }): ClusterNode => ({ host: hostname, port: Number(port || 6379) }),
  )
  return new Cluster(nodes, {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => reconnectDelay,
    redisOptions: {
      ...options,
      ...(username && { username }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  })
}

/** Decorates `app.redis` if REDIS_URL is set. It connects in the background, so the start never waits for it. */
async function redisPlugin(app: FastifyInstance) {
  const { REDIS_URL: url } = app.config
  if (url === undefined) return
  const client = createRedis(url)
  let lastError = ''
  client.on('error', (error: Error) => {
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
  client.connect().catch(() => {})
  app.addHook('onClose', () => client.disconnect())
}

export default fp(redisPlugin, { name: 'redis', dependencies: ['config'] })
