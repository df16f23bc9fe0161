import type { FastifyServerOptions } from 'fastify'

type Logger = NonNullable<FastifyServerOptions['logger']>

/** Names of fields that hold secrets. */
const secretFields = [
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
 * Adds pino's redaction of secret fields, up to two levels deep. The service logs no bodies and no headers;
 * this guards against a later line that does.
 */
export function redacted(logger: Logger): Logger {
  if (typeof logger === 'boolean') return logger
  const paths = secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])
  return { ...logger, redact: { paths, censor: '[secret]' } }
}
