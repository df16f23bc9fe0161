import { isIP } from 'node:net'
import { Ajv, type ErrorObject } from 'ajv'
import { type Static, Type } from 'typebox'
import { sqlitePath } from './db/dialects/sqlite-url.ts'
import { emailPattern, maxEmailLength } from './db/users.ts'
import { readDotEnv } from './dot-env.ts'

const port = Type.Integer({ minimum: 0, maximum: 65535, default: 3000 })
const lifetime = (fallback: string) =>
  Type.String({
    pattern: '^[1-9]\\d{0,8}[smhd]?$',
    default: fallback,
    wanted: 'a time such as 900, 15m, 12h or 7d',
  })
const secret = Type.Optional(Type.String({ minLength: 32, wanted: '32 characters or more' }))

/** Every setting of the service: name, type, default. The README's table describes them. */
export const ConfigSchema = Type.Object(
  {
    NODE_ENV: Type.Optional(Type.String()),
    HOST: Type.String({ default: '127.0.0.1' }),
    PORT: port,
    LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      default: 'info',
    }),
    DATABASE_URL: Type.String({
      pattern: '^(sqlite:.+|mssql://.+)$',
      default: 'sqlite:.data/anime.db',
      wanted: 'sqlite:PATH or mssql://USER:PASSWORD@HOST:PORT/DATABASE',
    }),
    REDIS_URL: Type.Optional(
      Type.String({
        format: 'redis',
        wanted:
          'redis://HOST:PORT or rediss://HOST:PORT (in a password write / as %2F, # as %23, @ as %40)',
      }),
    ),
    CACHE_TTL: Type.Integer({ minimum: 1, maximum: 2_592_000, default: 3600 }),
    CACHE_MAX_BYTES: Type.Integer({ minimum: 1_048_576, default: 268_435_456 }),
    STREAM_ABOVE: Type.Integer({ minimum: 65_536, default: 16_777_216 }),
    WORKERS: Type.String({
      pattern: '^(auto|[1-9]\\d?)$',
      default: '1',
      wanted: 'a number of processes from 1 to 99, or auto',
    }),
    MAX_CONNECTIONS: Type.Integer({ minimum: 1, default: 4000 }),
    JWT_SECRET: secret,
    JWT_PREVIOUS_SECRET: secret,
    JWT_TTL: lifetime('15m'),
    REFRESH_TTL: lifetime('7d'),
    REFRESH_GRACE: Type.String({
      pattern: '^(0|[1-9]\\d{0,8}[smhd]?)$',
      default: '30s',
      wanted: 'a time such as 30s or 1m, or 0 for none',
    }),
    READ_ROLE: Type.Enum(['public', 'user', 'admin'], { default: 'public' }),
    ADMIN_EMAIL: Type.Optional(
      Type.String({
        pattern: emailPattern,
        maxLength: maxEmailLength,
        wanted: 'an e-mail address',
      }),
    ),
    ADMIN_PASSWORD: Type.Optional(Type.String({ minLength: 8, wanted: '8 characters or more' })),
    FIREBASE_PROJECT_ID: Type.Optional(Type.String()),
    FIREBASE_API_KEY: Type.Optional(Type.String()),
    GOOGLE_APPLICATION_CREDENTIALS: Type.Optional(Type.String()),
    FIREBASE_AUTH_EMULATOR_HOST: Type.Optional(
      Type.String({ pattern: '^[^/\\s]+:\\d+$', wanted: 'HOST:PORT' }),
    ),
    APPLICATIONINSIGHTS_CONNECTION_STRING: Type.Optional(
      Type.String({
        pattern:
          '^([^;=]+=[^;]*;)*InstrumentationKey=[\\da-fA-F]{8}(-[\\da-fA-F]{4}){3}-[\\da-fA-F]{12}(;.*)?$',
        wanted: 'InstrumentationKey=...;IngestionEndpoint=https://...',
      }),
    ),
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: Type.Optional(
      Type.String({
        pattern:
          '^Authorization=AAD(;ClientId=[\\da-fA-F]{8}(-[\\da-fA-F]{4}){3}-[\\da-fA-F]{12})?$',
        wanted: 'Authorization=AAD or Authorization=AAD;ClientId=...',
      }),
    ),
    OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
      Type.String({ pattern: '^https?://.+$', wanted: 'http://HOST:PORT or https://HOST:PORT' }),
    ),
    OTEL_SERVICE_NAME: Type.Optional(Type.String()),
    OTEL_TRACES_SAMPLER_ARG: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, wanted: 'a share of the traces, from 0 to 1' }),
    ),
    CORS_ORIGIN: Type.Optional(Type.String()),
    RATE_LIMIT_MAX: Type.Optional(Type.Integer({ minimum: 1 })),
    TRUST_PROXY: Type.Optional(
      Type.String({
        format: 'proxies',
        wanted: 'a number of proxies, their addresses with commas, false, or true',
      }),
    ),
  },
  { additionalProperties: false },
)

export type Config = Static<typeof ConfigSchema>

/** Invalid settings; `message` has one line for each. */
export class ConfigError extends Error {}

/**
 * Reads the settings from `source` (the environment overrides `.env`), fills in the defaults and validates
 * each. An empty variable counts as unset.
 * @throws ConfigError that names each invalid variable, its value and what is accepted
 */
export function loadConfig(source: NodeJS.ProcessEnv = process.env): Config {
  const isSet = ([, value]: [string, string | undefined]) => value !== ''
  const dotEnv = source === process.env ? readDotEnv() : {}
  const given = [dotEnv, source].flatMap((each) => Object.entries(each).filter(isSet))
  const config: unknown = Object.fromEntries(given)
  const ajv = new Ajv({
    allErrors: true,
    removeAdditional: true,
    useDefaults: true,
    coerceTypes: true,
    verbose: true,
    strict: false,
    formats: { redis: isRedis, proxies: isProxyTrust },
    // The schema is ours, and compiling the one that checks it takes longer than compiling it.
    validateSchema: false,
    meta: false,
  })
  const isConfig = ajv.compile<Config>(ConfigSchema)
  if (!isConfig(config)) throw new ConfigError(isConfig.errors!.map(explain).join('\n'))
  const conflict = findConflict(config)
  if (conflict !== undefined) throw new ConfigError(conflict)
  return config
}

/** A lifetime such as `900`, `15m` or `7d`, in seconds. */
export function inSeconds(lifetime: string): number {
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }
  return Number.parseInt(lifetime, 10) * (units[lifetime.at(-1)!] ?? 1)
}

/** Maximum values of these settings. */
const maxTimes = { JWT_TTL: '366d', REFRESH_TTL: '366d', REFRESH_GRACE: '10m' } as const

const secretNames = /SECRET|PASSWORD|KEY|URL|CONNECTION_STRING|CREDENTIALS/

function explain({ instancePath, data, message, parentSchema, params }: ErrorObject): string {
  const name = instancePath.slice(1)
  const wanted = parentSchema?.wanted ?? params.allowedValues?.join(', ') ?? message
  const got = secretNames.test(name) ? `a value of ${String(data).length} characters` : `"${data}"`
  return `${name}: got ${got}, wants ${wanted}`
}

function findConflict(config: Config): string | undefined {
  for (const [name, value] of Object.entries(config)) {
    // App Service passes on a reference that it could not resolve. As a secret it could be guessed.
    if (String(value).startsWith('@Microsoft.KeyVault(')) {
      return `${name}: got a Key Vault reference that was not resolved, wants the secret's value`
    }
  }
  if (config.NODE_ENV === 'production' && config.FIREBASE_AUTH_EMULATOR_HOST !== undefined) {
    return 'FIREBASE_AUTH_EMULATOR_HOST: got a value in production, wants none (its tokens are unsigned)'
  }
  if (config.JWT_SECRET === undefined && sqlitePath(config.DATABASE_URL) === undefined) {
    return 'JWT_SECRET: got none, wants 32 characters or more when the database is not SQLite'
  }
  if (
    config.WORKERS !== '1' &&
    config.REDIS_URL === undefined &&
    sqlitePath(config.DATABASE_URL) === undefined
  ) {
    return 'REDIS_URL: got none, wants one that the WORKERS share when the database is not SQLite'
  }
  for (const [name, max] of Object.entries(maxTimes)) {
    const value = config[name as keyof typeof maxTimes]
    if (inSeconds(value) > inSeconds(max)) return `${name}: got "${value}", wants ${max} or less`
  }
  if (config.REDIS_URL?.includes('authentication=') && !signsInSafely(config.REDIS_URL)) {
    return 'REDIS_URL: got authentication, wants authentication=azure with rediss:// and no password'
  }
  const { FIREBASE_PROJECT_ID: project, FIREBASE_AUTH_EMULATOR_HOST: emulator } = config
  if (project !== undefined && emulator === undefined && config.FIREBASE_API_KEY === undefined) {
    return 'FIREBASE_API_KEY: got none, wants the Web API key of the Firebase project'
  }
  if (config.GOOGLE_APPLICATION_CREDENTIALS?.startsWith('{') && !isServiceAccount(config)) {
    return 'GOOGLE_APPLICATION_CREDENTIALS: got JSON that is no service account, wants one or a file name'
  }
  if ((config.ADMIN_EMAIL === undefined) !== (config.ADMIN_PASSWORD === undefined)) {
    const missing = config.ADMIN_EMAIL === undefined ? 'ADMIN_EMAIL' : 'ADMIN_PASSWORD'
    return `${missing}: got none, wants a value when its partner is set`
  }
  return undefined
}

function isRedis(text: string): boolean {
  const urls = text.split(',').map((url) => url.trim())
  return urls.every((url) => /^rediss?:\/\/./.test(url) && URL.canParse(url))
}

/** A switch, a number of hops, or addresses, subnets and their names (npmjs.com/package/@fastify/proxy-addr). */
function isProxyTrust(text: string): boolean {
  if (/^(true|false|\d{1,3})$/.test(text)) return true
  return text.split(',').every((item) => {
    const [address = '', bits = '0', ...more] = item.trim().split('/')
    if (['loopback', 'linklocal', 'uniquelocal'].includes(item.trim())) return true
    const max = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!
    return more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= max
  })
}

/** A token travels encrypted, and takes the place of a password. */
function signsInSafely(url: string): boolean {
  const addresses = url.split(',').map((address) => address.trim())
  const [authentication] = /authentication=[^&,]*/.exec(url) ?? []
  return (
    authentication === 'authentication=azure' &&
    addresses.every((address) => /^rediss:\/\/([^:@/]+@)?[^@]+$/.test(address))
  )
}

function isServiceAccount({ GOOGLE_APPLICATION_CREDENTIALS: text = '' }: Config): boolean {
  try {
    const { client_email: email, private_key: key } = JSON.parse(text)
    return typeof email === 'string' && typeof key === 'string'
  } catch {
    return false
  }
}
