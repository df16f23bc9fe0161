import redis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Cluster, type ClusterNode, Redis, type RedisOptions } from 'ioredis'

/** The hash tag of the cache's keys. */
export const cacheHashTag = 'animes'

/** How often a lost connection is tried again, in milliseconds. */
const reconnectEvery = 250

/**
 * A client that never makes a request wait: no queue while it is offline, no second try, nothing sent
 * again on another connection. Each command is given its time by `inTime`, and the connection its by
 * `socketTimeout`: a handshake that is not answered, or a link that swallows everything, is given up.
 */
const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2000,
  socketTimeout: 500,
  retryStrategy: () => reconnectEvery,
} satisfies RedisOptions

/**
 * The client for `url`: `redis://` or `rediss://`; several addresses with commas between them, or
 * `?cluster=true`, for a Redis Cluster.
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
    clusterRetryStrategy: () => reconnectEvery,
    redisOptions: {
      ...options,
      ...(username && { username }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  })
}

/** Provides `app.redis` where REDIS_URL names one. It connects by itself and never holds up the boot. */
async function redisPlugin(app: FastifyInstance) {
  const { REDIS_URL: url } = app.config
  if (url === undefined) return
  const client = createRedis(url)
  let told = ''
  client.on('error', (error: Error) => {
    if (error.message !== told) app.log.warn(`redis: ${error.message}`)
    told = error.message
  })
  client.on('ready', () => {
    told = ''
  })
  // @fastify/redis would make the boot wait for a ready client; ours is ready when it is.
  const { status } = client
  client.status = 'ready'
  await app.register(redis, { client: client as Redis })
  client.status = status
  client.connect().catch(() => {})
  app.addHook('onClose', () => client.disconnect())
}

export default fp(redisPlugin, { name: 'redis', dependencies: ['config'] })
