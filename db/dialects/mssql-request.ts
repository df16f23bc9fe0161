import { type Connection, Request, TYPES } from 'tedious'
import { asFault } from './faults.ts'

/** Whether either side or the network has closed it. tedious' types lack the property. */
export const isClosed = (connection: Connection) =>
  (connection as unknown as { closed: boolean }).closed

/** The error for a connection that was closed before anything was sent. */
export const closedBefore = () =>
  asFault(Object.assign(new Error('the connection was closed'), { code: 'ECLOSE' }))

/** Runs one request; returns its rows and the number of affected rows. */
export function execute<R>(
  connection: Connection,
  request: (done: (error: Error | null | undefined, rowCount?: number) => void) => Request,
  method: 'execSql' | 'callProcedure' | 'execSqlBatch' = 'execSql',
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
  connection[method](sent)
  return answer.promise
}

/** Buffers the rows of a running request. The request is paused while `size` rows are buffered. */
export class RowQueue {
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

  /** The next `size` rows, fewer at the end, then undefined. */
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

  /** Closes the connection if the request is unfinished: cheaper than to read the remaining rows. */
  end(): void {
    if (!this.#ended) this.#connection.close()
  }
}

const int32 = 2_147_483_647

/** Adds a parameter with a type that lets SQL Server use an index on the compared column. */
export function addParameter(request: Request, name: string, value: unknown) {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) {
      // With a float parameter SQL Server would convert the column of every row.
      if (Math.abs(value) >= 1e6) return request.addParameter(name, TYPES.Float, value)
      return request.addParameter(name, TYPES.Decimal, value, { precision: 18, scale: 12 })
    }
    return request.addParameter(name, Math.abs(value) > int32 ? TYPES.BigInt : TYPES.Int, value)
  }
  if (typeof value === 'boolean') return request.addParameter(name, TYPES.Bit, value)
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    return request.addParameter(name, TYPES.VarBinary, bytes, { length: Infinity })
  }
  if (value instanceof Date) return request.addParameter(name, TYPES.DateTime2, value)
  return request.addParameter(name, TYPES.NVarChar, value ?? null)
}
