import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import { Connection, type ConnectionConfiguration, Request } from 'tedious'
import { azureCredential } from '../azure-credential.ts'
import { OutcomeUnknown } from './dialect.ts'
import { asFault } from './faults.ts'
import { addParameter, closedBefore, execute, isClosed, RowQueue } from './mssql-request.ts'
import type { MssqlSettings } from './mssql-url.ts'

/** How a connection signs in. */
export type Authentication = NonNullable<ConnectionConfiguration['authentication']>

/** Milliseconds to wait for the confirmation of a cancelled request before the connection is closed. */
const cancelTimeout = 2000

/**
 * The authentication of `settings`. Without a login it is the Azure identity of this process, of which
 * each new connection asks a token.
 */
export async function authenticationOf({ login }: MssqlSettings): Promise<Authentication> {
  if (login !== undefined) {
    return { type: 'default', options: { userName: login.user, password: login.password } }
  }
  return { type: 'token-credential', options: { credential: await azureCredential() } }
}

/**
 * Opens a connection. Later errors of the idle connection are not thrown or printed; check `isClosed`.
 * @throws Fault when the connection cannot be opened, or `signal` aborts the attempt
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
      // Retries are in faults.ts and in connect() of mssql.ts.
      maxRetriesOnTransientErrors: 0,
      useUTC: true,
    },
  })
  // tedious omits the error number of a failed login; the event has it.
  let number: number | undefined
  connection.on('errorMessage', (token: { number: number }) => {
    number ??= token.number
  })
  const opened = Promise.withResolvers<void>()
  connection.on('error', opened.reject)
  connection.connect((error) => (error ? opened.reject(error) : opened.resolve()))
  const abort = () => connection.close()
  signal?.addEventListener('abort', abort)
  try {
    await opened.promise
  } catch (error) {
    connection.close()
    const first = error instanceof AggregateError ? error.errors[0] : error
    throw asFault(number === undefined ? first : Object.assign(first, { number }))
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  return connection
}

/** Closes a connection; resolves when it is closed. */
export function closeConnection(connection: Connection): Promise<void> {
  if (isClosed(connection)) return Promise.resolve()
  const ended = Promise.withResolvers<void>()
  connection.once('end', ended.resolve)
  connection.close()
  return ended.promise
}

/** A pooled connection with Kysely's interface. */
export class MssqlConnection implements DatabaseConnection {
  readonly tedious: Connection

  constructor(tedious: Connection) {
    this.tedious = tedious
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, rowCount } = await execute<R>(this.tedious, (done) => {
      const request = new Request(sql, done)
      for (const [index, value] of parameters.entries())
        addParameter(request, String(index + 1), value)
      return request
    })
    return { rows, numAffectedRows: BigInt(rowCount) }
  }

  /** Streams the rows of a query as arrays, `size` at a time, with backpressure on the server. */
  async *batches(
    { sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>,
    size: number,
  ): AsyncGenerator<unknown[][], void, void> {
    if (isClosed(this.tedious)) throw closedBefore()
    const queue = new RowQueue(this.tedious, sql, size)
    for (const [index, value] of parameters.entries()) {
      addParameter(queue.request, String(index + 1), value)
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

  // biome-ignore lint/correctness/useYield: `batches` streams rows
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('streaming by Kysely is not supported')
  }

  /** Begins a snapshot transaction: its statements all see the state at its first one. */
  async beginSnapshot(): Promise<void> {
    await this.#batch('set transaction isolation level snapshot; begin transaction')
  }

  /** Ends the snapshot transaction. If that fails, the connection is closed. */
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

  /** @throws OutcomeUnknown on any error but a conflict, after which nothing was committed */
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

  /** Rolls back. If that fails, the connection is closed, so that no transaction stays open. */
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
