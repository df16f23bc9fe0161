import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { TooManyRequests } from './errors.ts'
import { counterStore } from './rate-limit-store.ts'

/** Requests a minute from one address, unless RATE_LIMIT_MAX says otherwise. */
const defaultMax = 1000
const window = 60_000

/**
 * Counts requests by address, in process: it protects this instance, and a round trip to count would
 * cost more than a cached answer does. Limits made with `app.createRateLimit` (see the sign-in limits)
 * count in Redis where there is one, so that more instances do not mean more tries. A route with
 * `rateLimit: false` in its config does not count, so that the platform's questions are answered however
 * many users there are.
 */
async function rateLimitPlugin(app: FastifyInstance) {
  const { RATE_LIMIT_MAX: max, TRUST_PROXY: proxy } = app.config
  // Without a trusted proxy the peer is the client, and this machine need not be kept from itself.
  const exempt = max === undefined && (proxy === undefined || proxy === 'false')
  if (proxy === 'true') {
    app.log.warn(
      'TRUST_PROXY is true: clients may name any address; say how many proxies there are',
    )
  }
  const redis = app.hasDecorator('redis') ? (app.redis as Redis) : undefined
  await app.register(rateLimit, {
    global: false,
    max: max ?? defaultMax,
    timeWindow: window,
    store: counterStore(redis),
    keyGenerator: addressOf,
    errorResponseBuilder: (_request, { ttl }) => new TooManyRequests(Math.ceil(ttl / 1000)),
    addHeaders: headers(false),
    addHeadersOnExceeding: headers(false),
  })
  const limit = app.rateLimit() as (request: object, reply: object) => Promise<void>
  // For the whole app, so that what no route takes counts too, before any hook of a route.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.rateLimit === false) return done()
    if (exempt && isLoopback(request.ip)) return done()
    limit(request, reply).then(() => done(), done)
  })
}

const headers = (on: boolean) => ({
  'x-ratelimit-limit': on,
  'x-ratelimit-remaining': on,
  'x-ratelimit-reset': on,
  'retry-after': on,
})

/** Parsing an IPv6 address takes longer than all the rest of a cached answer, so each is parsed once. */
const networks = new LRUCache<string, string>({ max: 10_000 })

/** The client's address; of IPv6 its /64, which is what one client has. */
export function addressOf({ ip }: FastifyRequest): string {
  if (!ip.includes(':')) return ip
  let network = networks.get(ip)
  if (network === undefined) {
    // App Service writes the port behind an address, which would make each connection a new client.
    const bare = ip.replace(/^\[(.+)\](:\d+)?$|^([\d.]+):\d+$/, '$1$3')
    network = normalizeIP(bare, 64)
    networks.set(ip, network)
  }
  return network
}

const isLoopback = (address: string) =>
  address === '127.0.0.1' || address === '::1' || /^(::ffff:)?127\./.test(address)

export default fp(rateLimitPlugin, { name: 'rate-limit', dependencies: ['config', 'problems'] })
