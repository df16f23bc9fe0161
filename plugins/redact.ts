import type { FastifyServerOptions } from 'fastify'

type Logger = NonNullable<FastifyServerOptions['logger']>

/** Fields that hold a secret, wherever a log line has them. */
const secret = [
  'password',
  'newPassword',
  'token',
  'idToken',
  'accessToken',
  'refreshToken',
  'authorization',
  'cookie',
]

/**
 * The logger with its secrets blanked out. Nothing here logs a body or a header; this is for the day
 * when something does.
 */
export function redacted(logger: Logger): Logger {
  if (typeof logger === 'boolean') return logger
  const paths = secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])
  return { ...logger, redact: { paths, censor: '[secret]' } }
}
