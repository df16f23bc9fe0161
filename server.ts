import './compile-cache.cjs'
import type { Config } from './config.ts'

// Loaded only now, so that the compile cache serves them too.
const { default: closeWithGrace } = await import('close-with-grace')
const { ConfigError, loadConfig } = await import('./config.ts')

/** Milliseconds from the start to the clearing up after it. */
const settled = 1000

/** Milliseconds from a signal to the end of the process, and to the end of the slowest client. */
const grace = { process: 10_000, connections: 8_000 }

try {
  await start()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}

/** Listens first and connects afterwards; on a signal finishes what runs, within ten seconds. */
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
  closeWithGrace({ delay: grace.process, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'closing after an error')
    else app.log.info(`${signal}: closing`)
    setTimeout(() => app.server.closeAllConnections(), grace.connections).unref()
    await app.close()
  })
  const listenTextResolver = (url: string) =>
    `Server listening at ${url} (explorer there, API ${url}/v1/animes?limit=20, docs ${url}/docs)`
  await app.listen({ host: config.HOST, port: config.PORT, listenTextResolver }).catch((error) => {
    throw explain(error, config)
  })
  await app.databaseState.connected
  setTimeout(forgetStart, settled).unref()
}

/** Gives back what only the start needed, some 15 MiB; it holds up whoever asks just then by 60 ms. */
function forgetStart() {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/** Why the port cannot be had, in one line that names the setting to change. */
function explain(error: NodeJS.ErrnoException, { HOST, PORT }: Config): Error {
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
