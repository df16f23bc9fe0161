import type { TokenCredential } from '@azure/identity'
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import { Connection, type ConnectionConfiguration, Request, TYPES } from 'tedious'
import { OutcomeUnknown } from './dialect.ts'
import { asFault } from './faults.ts'
import type { MssqlSettings } from './mssql-url.ts'

/** How the server signs us in. */
export type Authentication = NonNullable<ConnectionConfiguration['authentication']>

/** Milliseconds that a server has to confirm a cancelled request before the connection is dropped. */
const cancelTimeout = 2000

/**
 * The authentication of `settings`. Without a login it is the Azure identity of this process
 * (AZURE_CLIENT_ID names a user-assigned one), asked for a token by every new connection; the library
 * that does this is loaded only then, and keeps a token no longer than it is good.
 */
export async function authenticationOf({ login }: MssqlSettings): Promise<Authentication> {
  if (login !== undefined) {
    return { type: 'default', options: { userName: login.user, password: login.password } }
  }
  const { DefaultAzureCredential } = await import('@azure/identity')
  const managedIdentityClientId = process.env.AZURE_CLIENT_ID
  const credential: TokenCredential = new DefaultAzureCredential(
    managedIdentityClientId === undefined ? {} : { managedIdentityClientId },
  )
  return { type: 'token-credential', options: { credential } }
}

/**
 * Opens a connection. Nothing that happens to it later throws or prints: `closed` tells.
 * @throws Fault when it cannot be had now, or `signal` ends the attempt
 */
export async function openConnection(
  settings: MssqlSettings,
  authentication: Authentication,
  signal?: AbortSignal,
): Promise<Connection> {
  const { server, port, database, encrypt, trustServerCertificate } = settings
  const { connectTimeout, requestTimeout } = settings
  const connection = new Connection({
    server,
    authentication,
    options: {
      appName: 'anime-api',
      port,
      database,
      encrypt,
      trustServerCertificate,
      connectTimeout,
      requestTimeout,
      cancelTimeout,
      // How often to try is decided in one place, faults.ts and connect() of mssql.ts.
      maxRetriesOnTransientErrors: 0,
      useUTC: true,
    },
  })
  // tedious drops the number of a failed login from its error; the event has it.
  let number: number | undefined
  connection.on('errorMessage', (token: { number: number }) => {
    number ??= token.number
  })
  const opened = Promise.withResolvers<void>()
  connection.on('error', opened.reject)
  connection.connect((error) => (error ? opened.reject(error) : opened.resolve()))
  const giveUp = () => connection.close()
  signal?.addEventListener('abort', giveUp)
  try {
    await opened.promise
  } catch (error) {
    connection.close()
    const first = error instanceof AggregateError ? error.errors[0] : error
    throw asFault(number === undefined ? first : Object.assign(first, { number }))
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
  return connection
}

/** Closes a connection and waits until it is. */
export function closeConnection(connection: Connection): Promise<void> {
  if (isClosed(connection)) return Promise.resolve()
  const ended = Promise.withResolvers<void>()
  connection.once('end', ended.resolve)
  connection.close()
  return ended.promise
}

/** The server, the network or we have ended it. tedious knows and does not say so in its types. */
export const isClosed = (connection: Connection) =>
  (connection as unknown as { closed: boolean }).closed

/** Runs one request and gives its rows and the number of rows affected. */
export function execute<R>(
  connection: Connection,
  request: (done: (error: Error | null | undefined, rowCount?: number) => void) => Request,
  how: 'execSql' | 'callProcedure' | 'execSqlBatch' = 'execSql',
): Promise<{ rows: R[]; rowCount: number }> {
  const answer = Promise.withResolvers<{ rows: R[]; rowCount: number }>()
  const rows: R[] = []
  const sent = request((error, rowCount = 0) =>
    error
      ? answer.reject(asFault(error, isClosed(connection)))
      : answer.resolve({ rows, rowCount }),
  )
  sent.on('row', (columns: { metadata: { colName: string }; value: unknown }[]) => {
    const row: Record<string, unknown> = {}
    for (const { metadata, value } of columns) row[metadata.colName] = value
    rows.push(row as R)
  })
  if (isClosed(connection)) return Promise.reject(closedBefore())
  connection[how](sent)
  return answer.promise
}

/** A connection of the pool, as Kysely uses it. */
export class MssqlConnection implements DatabaseConnection {
  readonly tedious: Connection

  constructor(tedious: Connection) {
    this.tedious = tedious
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, rowCount } = await execute<R>(this.tedious, (done) => {
      const request = new Request(sql, done)
      for (const [at, value] of parameters.entries()) addParameter(request, String(at + 1), value)
      return request
    })
    return { rows, numAffectedRows: BigInt(rowCount) }
  }

  /** The rows of a query as arrays, `size` at a time; the server waits until they are asked for. */
  async *batches(
    { sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>,
    size: number,
  ): AsyncGenerator<unknown[][], void, void> {
    if (isClosed(this.tedious)) throw closedBefore()
    const queue = new RowQueue(this.tedious, sql, size)
    for (const [at, value] of parameters.entries()) {
      addParameter(queue.request, String(at + 1), value)
    }
    this.tedious.execSql(queue.request)
    try {
      for (;;) {
        const batch = await queue.next()
        if (batch === undefined) return
        yield batch
      }
    } finally {
      queue.end()
    }
  }

  /** All rows of a query as arrays. */
  async arrays(query: Pick<CompiledQuery, 'sql' | 'parameters'>): Promise<unknown[][]> {
    for await (const rows of this.batches(query, Infinity)) return rows
    return []
  }

  // biome-ignore lint/correctness/useYield: reads that are streamed go by `batches`
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('Kysely streams nothing here')
  }

  /** Begins a transaction whose statements all see the moment of the first one. */
  async beginSnapshot(): Promise<void> {
    await this.#batch('set transaction isolation level snapshot; begin transaction')
  }

  /** Ends it. A connection in doubt is closed, as by `rollback`. */
  async endSnapshot(): Promise<void> {
    const end =
      'if @@trancount > 0 commit transaction; set transaction isolation level read committed'
    if (!isClosed(this.tedious)) await this.#batch(end).catch(() => this.tedious.close())
  }

  async #batch(sql: string): Promise<void> {
    await execute(this.tedious, (done) => new Request(sql, done), 'execSqlBatch')
  }

  begin(): Promise<void> {
    return this.#transaction((done) => this.tedious.beginTransaction(done))
  }

  /** @throws OutcomeUnknown unless the server says that it has lost to another transaction */
  async commit(): Promise<void> {
    if (isClosed(this.tedious)) throw closedBefore()
    try {
      await this.#transaction((done) => this.tedious.commitTransaction(done))
    } catch (error) {
      if ((error as { kind?: string }).kind === 'conflict') throw error
      this.tedious.close()
      throw new OutcomeUnknown((error as Error).message, { cause: error })
    }
  }

  /** Whatever becomes of it, no transaction is left open: a connection in doubt is closed. */
  async rollback(): Promise<void> {
    await this.#transaction((done) => this.tedious.rollbackTransaction(done)).catch(() => {
      this.tedious.close()
    })
  }

  #transaction(send: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (isClosed(this.tedious)) return Promise.reject(closedBefore())
    const answer = Promise.withResolvers<void>()
    send((error) =>
      error ? answer.reject(asFault(error, isClosed(this.tedious))) : answer.resolve(),
    )
    return answer.promise
  }
}

/** The rows of a request under way, which is paused while enough of them wait. */
class RowQueue {
  readonly request: Request
  readonly #connection: Connection
  readonly #size: number
  #rows: unknown[][] = []
  #ended = false
  #error: Error | undefined
  #changed = Promise.withResolvers<void>()

  constructor(connection: Connection, sql: string, size: number) {
    this.#connection = connection
    this.#size = size
    this.request = new Request(sql, (error) => {
      this.#ended = true
      if (error) this.#error = asFault(error, isClosed(connection))
      this.#changed.resolve()
    })
    this.request.on('row', (columns: { value: unknown }[]) => {
      this.#rows.push(columns.map(({ value }) => value))
      if (this.#rows.length < size) return
      this.request.pause()
      this.#changed.resolve()
    })
  }

  /** The next rows, or undefined at the end. */
  async next(): Promise<unknown[][] | undefined> {
    if (this.#rows.length < this.#size && !this.#ended) {
      this.#changed = Promise.withResolvers()
      this.request.resume()
      await this.#changed.promise
    }
    if (this.#error !== undefined) throw this.#error
    if (this.#rows.length === 0) return undefined
    return this.#rows.splice(0, this.#size)
  }

  /** Left before its end, the rest is not worth reading: the connection is closed. */
  end(): void {
    if (!this.#ended) this.#connection.close()
  }
}

/** Nothing was sent. */
const closedBefore = () =>
  asFault(Object.assign(new Error('the connection was closed'), { code: 'ECLOSE' }))

const int32 = 2_147_483_647

/** Adds a value under the type that an index on its column can be searched by. */
function addParameter(request: Request, name: string, value: unknown) {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) {
      // As a float it would make SQL Server convert the column, every row of it.
      if (Math.abs(value) >= 1e6) return request.addParameter(name, TYPES.Float, value)
      return request.addParameter(name, TYPES.Decimal, value, { precision: 18, scale: 12 })
    }
    return request.addParameter(name, Math.abs(value) > int32 ? TYPES.BigInt : TYPES.Int, value)
  }
  if (typeof value === 'boolean') return request.addParameter(name, TYPES.Bit, value)
  if (value instanceof Date) return request.addParameter(name, TYPES.DateTime2, value)
  return request.addParameter(name, TYPES.NVarChar, value ?? null)
}
