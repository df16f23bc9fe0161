import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { ConfigError, loadConfig } from './config.ts'

try {
  await start()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exitCode = 1
}

/** Listens first and connects afterwards; on a signal finishes what runs, within ten seconds. */
async function start() {
  const config = loadConfig()
  const pretty = process.stdout.isTTY
    ? { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' } }
    : undefined
  const app = await buildApp({
    config,
    fill: true,
    logger: { level: config.LOG_LEVEL, transport: pretty },
  })
  closeWithGrace({ delay: 10_000, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'closing after an error')
    else app.log.info(`${signal}: closing`)
    await app.close()
  })
  await app.listen({ host: config.HOST, port: config.PORT })
}
