import './compile-cache.cjs'
import type { Config } from './config.ts'

// Imported dynamically: static imports would load before the compile cache is enabled.
const { default: closeWithGrace } = await import('close-with-grace')
const { ConfigError, loadConfig } = await import('./config.ts')

/** Milliseconds from the end of the start to the garbage collection after it. */
const collectAfter = 1000

/** Maximum milliseconds from a signal to the exit. Connections are closed before; see connection-drain.ts. */
const shutdownLimit = 10_000

try {
  await start()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}

/** Listens, then waits for the database. A signal closes the service: running requests get eight seconds. */
async function start() {
  const config = loadConfig()
  const pretty = {
    target: 'pino-pretty',
    options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', singleLine: true },
  }
  const { buildApp } = await import('./app.ts')
  const app = await buildApp({
    config,
    fill: true,
    logger: { level: config.LOG_LEVEL, ...(process.stdout.isTTY && { transport: pretty }) },
  })
  closeWithGrace({ delay: shutdownLimit, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'closing after an error')
    else app.log.info(`${signal}: closing`)
    await app.close()
  })
  const listenTextResolver = (url: string) =>
    `Server listening at ${url} (explorer there, API ${url}/v1/animes?limit=20, docs ${url}/docs)`
  await app.listen({ host: config.HOST, port: config.PORT, listenTextResolver }).catch((error) => {
    throw explainListenError(error, config)
  })
  await app.databaseState.connected
  setTimeout(collectGarbage, collectAfter).unref()
}

/** One full GC after the start: frees about 15 MiB, blocks the event loop for up to 60 ms once. */
function collectGarbage() {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/** The reason why `listen` failed, in one line that names the setting to change. */
function explainListenError(error: NodeJS.ErrnoException, { HOST, PORT }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new ConfigError(`PORT: got ${PORT}, wants one that nothing on ${HOST} listens on yet`)
    case 'EACCES':
      return new ConfigError(`PORT: got ${PORT}, wants one that this user may listen on`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigError(`HOST: got "${HOST}", wants a name or an address of this machine`)
    default:
      return error
  }
}
