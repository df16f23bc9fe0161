/** The settings of a SQL Server connection; times are in milliseconds. */
export interface MssqlSettings {
  server: string
  port: number
  database: string
  /** User and password; undefined: sign in with the Azure identity. */
  login: { user: string; password: string } | undefined
  encrypt: boolean
  trustServerCertificate: boolean
  /** Maximum number of connections. */
  poolMax: number
  /** How long a request waits for a free connection. */
  acquireTimeout: number
  connectTimeout: number
  requestTimeout: number
  /** An idle connection is closed after this time, the last one too. */
  idleTimeout: number
}

const urlForm = 'mssql://USER:PASSWORD@HOST:PORT/DATABASE'

const wholeNumber = (low: number, high: number) => (text: string) => {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number >= low && number <= high) return number
  throw new Error(`wants a whole number from ${low} to ${high}`)
}

const oneOf = <T>(values: Record<string, T>) => {
  return (text: string): T => {
    if (Object.hasOwn(values, text)) return values[text]!
    throw new Error(`wants ${Object.keys(values).join(' or ')}`)
  }
}

const yesOrNo = oneOf({ true: true, false: false })

/** The parameters of the URL: default and parser of each. */
const parameters = {
  encrypt: { fallback: true, parse: yesOrNo },
  trustServerCertificate: { fallback: false, parse: yesOrNo },
  authentication: {
    fallback: 'password' as const,
    parse: oneOf({
      password: 'password' as const,
      'azure-active-directory-default': 'azure' as const,
    }),
  },
  poolMax: { fallback: 10, parse: wholeNumber(1, 1000) },
  acquireTimeout: { fallback: 5000, parse: wholeNumber(100, 600_000) },
  connectTimeout: { fallback: 15_000, parse: wholeNumber(100, 600_000) },
  requestTimeout: { fallback: 15_000, parse: wholeNumber(100, 3_600_000) },
  idleTimeout: { fallback: 30_000, parse: wholeNumber(100, 3_600_000) },
}

type Name = keyof typeof parameters
type UrlParameters = { [name in Name]: ReturnType<(typeof parameters)[name]['parse']> }

/**
 * Parses `mssql://...`; docs/sql-server.md lists the parameters. Error messages never contain the password.
 * @throws Error with one line that says what is wrong and what is accepted
 */
export function parseMssqlUrl(text: string): MssqlSettings {
  if (!URL.canParse(text)) throw new Error(`wants ${urlForm}`)
  const url = new URL(text)
  // Otherwise the part of a password after an unescaped # would be dropped silently.
  if (url.hash !== '') throw new Error('has a #; in a password write it as %23')
  if (url.hostname === '') throw new Error(`names no host, wants ${urlForm}`)
  const { authentication, ...settings } = readParameters(url.searchParams)
  return {
    server: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 1433 : Number(url.port),
    database: readDatabase(url),
    login: readLogin(url, authentication),
    ...settings,
  }
}

function readDatabase(url: URL): string {
  const database = decode(url.pathname.slice(1), 'the database')
  if (database === '' || database.includes('/'))
    throw new Error(`names no database, wants ${urlForm}`)
  return database
}

function readLogin(
  url: URL,
  authentication: UrlParameters['authentication'],
): MssqlSettings['login'] {
  const user = decode(url.username, 'the user')
  const password = decode(url.password, 'the password')
  if (authentication === 'azure') {
    if (user === '' && password === '') return undefined
    throw new Error('has a user or a password, wants none with azure-active-directory-default')
  }
  if (user !== '' && password !== '') return { user, password }
  throw new Error(
    'has no user or no password, wants both or authentication=azure-active-directory-default',
  )
}

function readParameters(given: URLSearchParams): UrlParameters {
  for (const name of given.keys()) {
    if (!Object.hasOwn(parameters, name)) {
      const accepted = Object.keys(parameters).join(', ')
      throw new Error(`has the unknown parameter ${JSON.stringify(name)}, takes ${accepted}`)
    }
    if (given.getAll(name).length > 1) throw new Error(`has the parameter ${name} twice`)
  }
  const parsed = Object.entries(parameters).map(([name, { fallback, parse }]) => {
    const text = given.get(name)
    if (text === null) return [name, fallback]
    try {
      return [name, parse(text)]
    } catch (error) {
      const reason = (error as Error).message
      throw new Error(`has ${name}=${JSON.stringify(text)}, ${reason}`, { cause: error })
    }
  })
  return Object.fromEntries(parsed) as UrlParameters
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`has a % in ${what} that is no escape; write it as %25`)
  }
}
