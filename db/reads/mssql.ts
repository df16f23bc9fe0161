import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { type Database, type ReadAnswer, TooManyReads } from '../dialects/dialect.ts'
import { retrying } from '../dialects/faults.ts'
import type { MssqlConnection } from '../dialects/mssql-connection.ts'
import { publishQueries } from '../query-log.ts'
import { createSetCache } from '../search/set-cache.ts'
import { mssqlReads } from './mssql-dialect.ts'
import { type Read, runRead, type StreamedRead } from './read.ts'
import { createSemaphore } from './semaphore.ts'
import { defaultBounds, type ReadBounds, type ReadSession, type Row } from './session.ts'
import { type Sql, textOf } from './sql.ts'
import { limitTime } from './stream.ts'
import type { ReaderOptions } from './threads.ts'

/** None are kept: a database that was restored may have taken the name of this one. */
const noSets = createSetCache(0)

/** Connections for reads, `size` in all. */
export interface ReadPool {
  size: number
  acquire: () => Promise<MssqlConnection>
  release: (connection: MssqlConnection) => void
}

/**
 * Rows that are rendered before other work has its turn. They are made on the main thread, where larger texts
 * let the heap grow: with 500, lists of 200,000 titles took 40 MiB more.
 */
const sliceSize = 200

/**
 * Reads from SQL Server. Rows are rendered a few hundred at a time, and other work has its turn between.
 * Half of the connections run reads and a quarter streams, so that writes find one.
 */
export function openMssqlReads(
  pool: ReadPool,
  options: ReaderOptions = {},
): Pick<Database, 'read' | 'admit'> {
  const { maxWaiting = 200, ...given } = options
  const bounds = { ...defaultBounds, ...given }
  const semaphore = createSemaphore({ maxRunning: Math.ceil(pool.size / 2), maxWaiting })
  const maxStreams = Math.max(1, Math.floor(pool.size / 4))
  let streams = 0

  async function attempt(read: Read): Promise<ReadAnswer | undefined> {
    const connection = await pool.acquire()
    const release = () => pool.release(connection)
    const whole = ['list', 'suggest', 'stats'].includes(read.what)
    let streaming = false
    try {
      if (whole) await connection.beginSnapshot()
      const answer = await runRead(sessionOn(connection, bounds), read)
      if (answer === undefined || 'body' in answer) {
        if (whole) await connection.endSnapshot()
        return answer
      }
      if (streams >= maxStreams) {
        await answer.return()
        throw new TooManyReads(`${streams} answers are streamed already`)
      }
      streaming = true
      streams += 1
      const ended = () => {
        streams -= 1
        void connection.endSnapshot().finally(release)
      }
      return { stream: streamOf(answer, ended) }
    } catch (error) {
      if (whole) await connection.endSnapshot()
      throw error
    } finally {
      if (!streaming) release()
    }
  }

  const read: Database['read'] = async (what, { signal } = {}) => {
    await semaphore.acquire(signal)
    try {
      return await retrying(() => attempt(what))
    } finally {
      semaphore.release()
    }
  }
  return { read, admit: semaphore.admit }
}

function sessionOn(connection: MssqlConnection, bounds: ReadBounds): ReadSession {
  const compiled = (statement: Sql) => ({
    sql: textOf(statement, mssqlReads.placeholder),
    parameters: statement.values,
  })
  return {
    bounds,
    dialect: mssqlReads,
    setCache: noSets,
    async rows(statement) {
      const query = compiled(statement)
      const started = performance.now()
      const rows = await connection.arrays(query)
      publishQueries([{ sql: query.sql, milliseconds: performance.now() - started }])
      return rows as Row[]
    },
    async *batches(statement) {
      const query = compiled(statement)
      const started = performance.now()
      for await (const batch of connection.batches(query, sliceSize)) {
        yield batch as Row[]
        await turn()
      }
      publishQueries([{ sql: query.sql, milliseconds: performance.now() - started }])
    },
  }
}

function streamOf(pieces: StreamedRead, onClose: () => void): Readable {
  const stream = new Readable({
    read() {
      time.wanted()
      pieces.next().then(
        ({ value }) => {
          time.given()
          stream.push(value ?? null)
        },
        (error: Error) => stream.destroy(error),
      )
    },
    destroy(error, done) {
      void pieces
        .return()
        .catch(() => {})
        .finally(onClose)
      done(error)
    },
  })
  const time = limitTime(stream)
  return stream
}
