import type { IncomingMessage } from 'node:http'
import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { TooManyRequests } from './errors.ts'
import { clientAddress } from './proxies.ts'
import { counterStore, requestCounter } from './rate-limit-store.ts'
import type { Count } from './workers/counts.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** For requests that Fastify has not seen. */
    requestLimit: {
      /** Counts one, and says whether it is within the limit. */
      admits: (request: IncomingMessage) => boolean | Promise<boolean>
      /** Those that Fastify gets to see after all: they do not count again. */
      counted: WeakSet<IncomingMessage>
    }
  }
}

/** Requests per minute and address if RATE_LIMIT_MAX is not set. */
const defaultMax = 1000
const window = 60_000

/**
 * Limits requests per address. The counts are in process, and workers exchange theirs in steps: they protect
 * this instance, and a round trip to Redis would cost more than a cached answer. So would @fastify/rate-limit
 * with its promises: only limits made with `app.createRateLimit` (the sign-in limits) are its own. They count
 * in Redis if there is one, so that more instances do not allow more attempts. Routes with `rateLimit: false`
 * in their config do not count, so health probes are always answered.
 */
async function rateLimitPlugin(app: FastifyInstance) {
  const { RATE_LIMIT_MAX: max, TRUST_PROXY: proxy } = app.config
  // Without a trusted proxy the peer is the client, so loopback is a local process.
  const exempt = max === undefined && (proxy === undefined || proxy === 'false')
  if (proxy === 'true') {
    app.log.warn(
      'TRUST_PROXY is true: clients may name any address; set the number of proxies instead',
    )
  }
  const redis = app.hasDecorator('redis') ? (app.redis as Redis) : undefined
  await app.register(rateLimit, {
    global: false,
    store: counterStore(redis, app.workers),
  })
  const allowed = max ?? defaultMax
  const counter = requestCounter(app.workers)
  const count = (ip: string) =>
    exempt && isLoopback(ip) ? uncounted : counter(addressOf({ ip }), window, allowed)
  const addressBefore = clientAddress(proxy)
  const counted = new WeakSet<IncomingMessage>()
  const isWithin = ({ current }: Count) => current <= allowed
  app.decorate('requestLimit', {
    counted,
    admits(request) {
      const result = count(addressBefore(request))
      return result instanceof Promise ? result.then(isWithin) : isWithin(result)
    },
  })
  // A hook of the app: it runs before the hooks of routes, and for requests that match no route.
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.config.rateLimit === false || counted.has(request.raw)) return done()
    const judge = (result: Count) =>
      done(isWithin(result) ? undefined : new TooManyRequests(Math.ceil(result.ttl / 1000)))
    const result = count(request.ip)
    if (result instanceof Promise) result.then(judge, done)
    else judge(result)
  })
}

/** Parsed IPv6 addresses. To parse one takes longer than to answer a cached request. */
const networks = new LRUCache<string, string>({ max: 10_000 })

/** The client's address. For IPv6 its /64 network, since one client has all of that. */
export function addressOf({ ip }: Pick<FastifyRequest, 'ip'>): string {
  if (!ip.includes(':')) return ip
  let network = networks.get(ip)
  if (network === undefined) {
    // App Service appends the port to the address. It differs for each connection, so it is removed.
    const bare = ip.replace(/^\[(.+)\](:\d+)?$|^([\d.]+):\d+$/, '$1$3')
    network = normalizeIP(bare, 64)
    networks.set(ip, network)
  }
  return network
}

const uncounted: Count = { current: 0, ttl: 0 }

const isLoopback = (address: string) =>
  address === '127.0.0.1' || address === '::1' || /^(::ffff:)?127\./.test(address)

export default fp(rateLimitPlugin, {
  name: 'rate-limit',
  dependencies: ['config', 'problems', 'workers'],
})
