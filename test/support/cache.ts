import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import type { UserRow } from '../../db/users.ts'
import { newDatabase, startApp, type Teardown, temporaryFolder } from './app.ts'
import { freePort } from './free-port.ts'
import { startRedis } from './redis.ts'
import { until } from './until.ts'

/** A Redis that the suite of the cache can run on: one server, or a cluster. */
export interface Backend {
  url: string
  /** A client for looking at what the service left there. */
  client: Redis | Cluster
}

export async function singleRedis(t: Teardown): Promise<Backend> {
  const { url, client } = await startRedis(t)
  return { url, client }
}

/** Three masters without replicas, as one cluster. */
export async function redisCluster(t: Teardown): Promise<Backend> {
  const ports = [await freePort(), await freePort(), await freePort()]
  const args = (port: number) => [
    ...['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--cluster-enabled', 'yes'],
    ...['--dir', temporaryFolder(t), '--cluster-node-timeout', '5000'],
  ]
  const children = ports.map((port) => spawn('redis-server', args(port), { stdio: 'ignore' }))
  t.teardown(async () => {
    for (const child of children) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
  })
  const nodes = ports.map((port) => new Redis(port, '127.0.0.1', { retryStrategy: () => 50 }))
  for (const node of nodes) node.on('error', () => {})
  for (const node of nodes) await node.ping()
  const share = Math.ceil(16_384 / nodes.length)
  for (const [index, node] of nodes.entries()) {
    const last = Math.min(16_383, (index + 1) * share - 1)
    await node.call('CLUSTER', 'ADDSLOTSRANGE', index * share, last)
    await node.call('CLUSTER', 'MEET', '127.0.0.1', ports[0]!)
  }
  const whole = async (node: Redis) => {
    const info = (await node.call('CLUSTER', 'INFO')) as string
    return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
  }
  for (const node of nodes) await until('the cluster is whole', () => whole(node), 20_000)
  for (const node of nodes) node.disconnect()
  const client = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })))
  t.teardown(() => client.disconnect())
  return { url: ports.map((port) => `redis://127.0.0.1:${port}`).join(), client }
}

export const mastersOf = (client: Redis | Cluster): Redis[] =>
  client instanceof Cluster ? client.nodes('master') : [client]

/** The answers in Redis, by their full keys. */
export async function keysIn({ client }: Backend, prefix = '{animes}:'): Promise<string[]> {
  const keys = await Promise.all(mastersOf(client).map((node) => node.keys(`${prefix}[^@]*`)))
  return keys.flat().sort()
}

/** `count` instances in this process on one database and one Redis, with their cache in use. */
export async function startInstances(
  t: Teardown,
  { url, client }: Backend,
  count: number,
  env: NodeJS.ProcessEnv = {},
): Promise<FastifyInstance[]> {
  // Another test's answers are those of another database.
  for (const node of mastersOf(client)) await node.flushall()
  const DATABASE_URL = await newDatabase(t)
  const settings = { DATABASE_URL, REDIS_URL: url, RATE_LIMIT_MAX: '1000000', ...env }
  const apps: FastifyInstance[] = []
  for (let index = 0; index < count; index += 1) {
    apps.push(await startApp(t, settings, { titles: index === 0 ? 200 : 0 }))
  }
  for (const app of apps) await cacheInUse(app)
  return apps
}

/** Waits until answers are stored and served: after a start, a new epoch is quiet for a second. */
export async function cacheInUse(app: FastifyInstance): Promise<void> {
  await until('the cache is in use', async () => {
    await get(app, '/v1/animes?limit=1&q=probe')
    return (await get(app, '/v1/animes?limit=1&q=probe')).cache.includes('; hit;')
  })
}

export async function get(app: FastifyInstance, url: string) {
  const answer = await app.inject({ url })
  const cache = String(answer.headers['cache-status'] ?? '')
  return { ...{ status: answer.statusCode, headers: answer.headers, cache }, body: answer.payload }
}

/**
 * Whether an answer comes from the cache. On a machine so busy that Redis takes longer than its 100 ms
 * the cache is out of use for a second; that is waited for.
 */
export async function isHit(app: FastifyInstance, url: string): Promise<boolean> {
  const cache = await until('the cache is in use', async () => {
    const answer = await get(app, url)
    return !answer.cache.includes('redis-unavailable') && answer.cache
  })
  return /^[\w-]+; hit;/.test(cache)
}

export async function write(
  app: FastifyInstance,
  method: 'POST' | 'PATCH' | 'DELETE',
  url: string,
  payload?: object,
) {
  const token = app.accessToken({ id: 1, email: 'admin@example.org', role: 'admin' } as UserRow)
  const headers = { authorization: `Bearer ${token}` }
  const answer = await app.inject({ method, url, headers, ...(payload && { payload }) })
  const cache = String(answer.headers['cache-status'] ?? '')
  return { status: answer.statusCode, body: answer.payload && answer.json(), cache }
}
