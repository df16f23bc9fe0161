/** Where a SQL Server is and how it is used; every time in milliseconds. */
export interface MssqlSettings {
  server: string
  port: number
  database: string
  /** Name and password, or none: then an Azure identity signs in. */
  login: { user: string; password: string } | undefined
  encrypt: boolean
  trustServerCertificate: boolean
  /** The most connections at a time. */
  poolMax: number
  /** How long a request waits for one of them. */
  acquireTimeout: number
  connectTimeout: number
  requestTimeout: number
  /** After this long without use a connection is closed, down to none. */
  idleTimeout: number
}

const shape = 'mssql://USER:PASSWORD@HOST:PORT/DATABASE'

const whole = (low: number, high: number) => (text: string) => {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number >= low && number <= high) return number
  throw new Error(`wants a whole number from ${low} to ${high}`)
}

const either = <T>(values: Record<string, T>) => {
  return (text: string): T => {
    if (Object.hasOwn(values, text)) return values[text]!
    throw new Error(`wants ${Object.keys(values).join(' or ')}`)
  }
}

const yesOrNo = either({ true: true, false: false })

/** Every parameter of the URL: its default, and how its text is read. */
const parameters = {
  encrypt: { fallback: true, read: yesOrNo },
  trustServerCertificate: { fallback: false, read: yesOrNo },
  authentication: {
    fallback: 'password' as const,
    read: either({
      password: 'password' as const,
      'azure-active-directory-default': 'azure' as const,
    }),
  },
  poolMax: { fallback: 10, read: whole(1, 1000) },
  acquireTimeout: { fallback: 5000, read: whole(100, 600_000) },
  connectTimeout: { fallback: 15_000, read: whole(100, 600_000) },
  requestTimeout: { fallback: 15_000, read: whole(100, 3_600_000) },
  idleTimeout: { fallback: 30_000, read: whole(100, 3_600_000) },
}

type Name = keyof typeof parameters
type Read = { [name in Name]: ReturnType<(typeof parameters)[name]['read']> }

/**
 * Reads `mssql://...`; docs/sql-server.md lists the parameters. A message never repeats the password.
 * @throws Error with one line that says what is wrong and what is wanted
 */
export function parseMssqlUrl(text: string): MssqlSettings {
  if (!URL.canParse(text)) throw new Error(`wants ${shape}`)
  const url = new URL(text)
  // The rest of a password that holds a bare # or ? would be lost without a word.
  if (url.hash !== '') throw new Error('has a #; in a password write it as %23')
  if (url.hostname === '') throw new Error(`names no host, wants ${shape}`)
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
    throw new Error(`names no database, wants ${shape}`)
  return database
}

function readLogin(url: URL, authentication: Read['authentication']): MssqlSettings['login'] {
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

function readParameters(given: URLSearchParams): Read {
  for (const name of given.keys()) {
    if (!Object.hasOwn(parameters, name)) {
      const known = Object.keys(parameters).join(', ')
      throw new Error(`has the unknown parameter ${JSON.stringify(name)}, takes ${known}`)
    }
    if (given.getAll(name).length > 1) throw new Error(`has the parameter ${name} twice`)
  }
  const read = Object.entries(parameters).map(([name, { fallback, read }]) => {
    const text = given.get(name)
    if (text === null) return [name, fallback]
    try {
      return [name, read(text)]
    } catch (error) {
      const wanted = (error as Error).message
      throw new Error(`has ${name}=${JSON.stringify(text)}, ${wanted}`, { cause: error })
    }
  })
  return Object.fromEntries(read) as Read
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`has a % in ${what} that is no escape; write it as %25`)
  }
}
