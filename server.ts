import './compile-cache.cjs'
import type { AddressInfo } from 'node:net'
import type { Config } from './config.ts'

// Imported dynamically: static imports would load before the compile cache is enabled.
const { default: closeWithGrace } = await import('close-with-grace')
const { ConfigError, loadConfig } = await import('./config.ts')
const { isPrimary, workerCount } = await import('./plugins/workers/mode.ts')

/** Milliseconds from the end of the start to the garbage collection after it. */
const collectAfter = 1000

/** Maximum milliseconds from a signal to the exit. Connections are closed before; see connection-drain.ts. */
const shutdownLimit = 10_000

const signals: ('SIGTERM' | 'SIGINT')[] = ['SIGTERM', 'SIGINT']

try {
  const config = loadConfig()
  await ((await isPrimary(config.WORKERS)) ? startPrimary(config) : start(config))
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}

/** Listens, then waits for the database. A signal closes the service: running requests get eight seconds. */
async function start(config: Config) {
  const isWorker = workerCount(config.WORKERS) > 1
  const pretty = {
    target: 'pino-pretty',
    options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', singleLine: true },
  }
  const { buildApp } = await import('./app.ts')
  const app = await buildApp({
    config,
    fill: true,
    channel: isWorker ? process : undefined,
    logger: { level: config.LOG_LEVEL, ...(process.stdout.isTTY && { transport: pretty }) },
  })
  // A worker may get two signals of one end: from the terminal or the platform, and from the primary.
  const skip = isWorker ? signals : []
  const options = { delay: shutdownLimit, logger: app.log, skip }
  let received: NodeJS.Signals | undefined
  const { close } = closeWithGrace(options, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'closing after an error')
    else app.log.info(`${signal ?? received}: closing`)
    await app.workers.stopped()
    await app.close()
  })
  for (const signal of skip) {
    process.on(signal, () => {
      if (received !== undefined) return
      received = signal
      close()
    })
  }
  const listenTextResolver = (url: string) =>
    `Server listening at ${url} (explorer there, API ${url}/v1/animes?limit=20, docs ${url}/docs)`
  if (isWorker) {
    await app.ready()
    // Beside workers that answer already, one that cannot yet would only answer 503.
    if (await app.workers.hasOthers()) await app.databaseState.connected
    if (app.closing) return
  }
  const { HOST: host, PORT: port } = config
  const shared = isWorker ? { reusePort: true } : {}
  await app.listen({ host, port, listenTextResolver, ...shared }).catch((error) => {
    throw explainListenError(error, config)
  })
  await app.workers.listening()
  await app.databaseState.connected
  setTimeout(collectGarbage, collectAfter).unref()
}

/** Starts the workers, on a port that nothing else listens on. A signal closes them, in the same ten seconds. */
async function startPrimary(config: Config) {
  const { startWorkers } = await import('./plugins/workers/primary.ts')
  const { createPrimaryLog } = await import('./plugins/workers/log.ts')
  const log = createPrimaryLog(config.LOG_LEVEL)
  const port = await findPort(config)
  const workers = startWorkers({
    count: workerCount(config.WORKERS),
    port,
    log,
    onGiveUp: () => void workers.close(shutdownLimit).then(() => process.exit(1)),
  })
  const options = { delay: false, logger: log, onSecondSignal: workers.kill } as const
  closeWithGrace(options, async ({ signal, err }) => {
    if (err) log.fatal(err)
    else log.info(`${signal}: closing`)
    const inOrder = await workers.close(shutdownLimit)
    if (!inOrder) throw new Error('a worker did not end as it should')
  })
  setTimeout(collectGarbage, collectAfter).unref()
}

/** The port that the workers will share (with anybody who asks for that too: so it is tried alone first). */
async function findPort(config: Config): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListenError(error, config)))
    server.listen(config.PORT, config.HOST, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** One full GC after the start: frees about 15 MiB, blocks the event loop for up to 60 ms once. */
function collectGarbage() {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/** The reason why `listen` failed, in one line that names the setting to change. */
function explainListenError(error: NodeJS.ErrnoException, { HOST, PORT, WORKERS }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new ConfigError(`PORT: got ${PORT}, wants one that nothing on ${HOST} listens on yet`)
    case 'EACCES':
      return new ConfigError(`PORT: got ${PORT}, wants one that this user may listen on`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigError(`HOST: got "${HOST}", wants a name or an address of this machine`)
    case 'ENOTSUP':
      return new ConfigError(`WORKERS: got ${WORKERS}, wants 1 where ports cannot be shared`)
    default:
      return error
  }
}
