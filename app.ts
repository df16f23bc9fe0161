import Fastify, { type FastifyInstance, type FastifyServerOptions, LogController } from 'fastify'
import type { Config } from './config.ts'
import accounts from './plugins/accounts/index.ts'
import auth from './plugins/auth.ts'
import catalogueCache from './plugins/catalogue-cache.ts'
import config from './plugins/config.ts'
import connectionDrain from './plugins/connection-drain.ts'
import connections, { serverOptions } from './plugins/connections.ts'
import cors from './plugins/cors.ts'
import database from './plugins/database.ts'
import earlyHits from './plugins/early-hits.ts'
import idempotency from './plugins/idempotency.ts'
import metrics from './plugins/metrics/index.ts'
import openapi from './plugins/openapi.ts'
import problems, { onClientError, onFrameworkError } from './plugins/problems.ts'
import { trustProxy } from './plugins/proxies.ts'
import rateLimit from './plugins/rate-limit.ts'
import { redacted } from './plugins/redact.ts'
import requestBody from './plugins/request-body.ts'
import requestLog from './plugins/request-log.ts'
import { requestLogger } from './plugins/request-logger.ts'
import security from './plugins/security.ts'
import telemetry from './plugins/telemetry.ts'
import { schemaCompilers } from './plugins/validation.ts'
import type { Channel } from './plugins/workers/calls.ts'
import workers from './plugins/workers/index.ts'
import accountRoutes from './routes/accounts.ts'
import animes from './routes/animes.ts'
import animesBatch from './routes/animes-batch.ts'
import animesWrite from './routes/animes-write.ts'
import cacheRoutes from './routes/cache.ts'
import health from './routes/health.ts'
import metricsRoute from './routes/metrics.ts'
import monitor from './routes/monitor.ts'
import pages from './routes/pages.ts'

export interface AppOptions {
  config: Config
  /** Fill an empty SQLite database from the generator. */
  fill?: boolean
  logger?: FastifyServerOptions['logger']
  /** To the primary, in a worker. */
  channel?: Channel | undefined
}

/** Builds the service: plugins, then routes. It opens no port. */
export async function buildApp(options: AppOptions) {
  const { config: settings, fill = false, logger = false, channel } = options
  const app: FastifyInstance = Fastify({
    logger: redacted(logger),
    childLoggerFactory: requestLogger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustProxy(settings.TRUST_PROXY),
    bodyLimit: 65_536,
    routerOptions: { maxParamLength: 100, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    ...serverOptions,
    return503OnClosing: false,
    frameworkErrors: onFrameworkError,
    clientErrorHandler: onClientError,
    schemaController: { compilersFactory: schemaCompilers },
  })
  await app.register(telemetry)
  await app.register(config, { config: settings })
  await app.register(connections)
  await app.register(connectionDrain)
  await app.register(problems)
  await app.register(workers, { channel })
  await app.register(database, { fill })
  if (settings.REDIS_URL !== undefined) await app.register(import('./plugins/redis.ts'))
  await app.register(cors)
  await app.register(rateLimit)
  await app.register(requestBody)
  await app.register(auth)
  await app.register(accounts)
  await app.register(security)
  await app.register(catalogueCache)
  await app.register(idempotency)
  await app.register(metrics)
  await app.register(requestLog)
  await app.register(earlyHits)
  await app.register(openapi)

  await app.register(health)
  await app.register(metricsRoute)
  await app.register(monitor)
  await app.register(pages)
  await app.register(accountRoutes, { prefix: '/v1' })
  await app.register(animes, { prefix: '/v1' })
  await app.register(animesWrite, { prefix: '/v1' })
  await app.register(animesBatch, { prefix: '/v1' })
  await app.register(cacheRoutes, { prefix: '/v1' })
  return app
}
