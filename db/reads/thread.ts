import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel, type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openReadOnly, statementCache } from '../dialects/sqlite-connection.ts'
import { lowerPriority } from '../lower-priority.ts'
import type { QueryTiming } from '../query-log.ts'
import { makeWanted, prepareFrequent } from '../search/prepare.ts'
import { createSetCache, setBytes } from '../search/set-cache.ts'
import { runRead, type StreamedRead } from './read.ts'
import { batchSize, type Following, type ReadSession, type Row } from './session.ts'
import { type Sql, textOf, type Value } from './sql.ts'
import { sqliteReads } from './sqlite-dialect.ts'
import type { StreamPiece } from './stream.ts'
import type { ThreadData, ThreadJob, ThreadReply } from './threads.ts'

/*
 * A thread that reads SQLite for the service. It takes one read after the other; between them it gives
 * pieces of the answers that are streamed, each of a connection and a transaction of its own.
 */

const { path, bounds } = workerData as ThreadData

lowerPriority()

interface Connection extends ReadSession {
  readonly database: DatabaseSync
  /** Told of each statement, while a read wants it. */
  timings: QueryTiming[] | undefined
}

function connect(): Connection {
  const database = openReadOnly(path)
  const prepare = (text: string) => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    return statement
  }
  const kept = statementCache(prepare)
  function* inParts(following: Following): Generator<Row[], void, void> {
    let rows: Row[] | undefined
    for (let part = following(rows); part !== undefined; part = following(rows)) {
      const statement = kept(textOf(part, sqliteReads.placeholder))
      rows = statement.all(...(part.values as Value[])) as unknown as Row[]
      yield rows
    }
  }
  const connection: Connection = {
    database,
    bounds,
    setCache,
    timings: undefined,
    dialect: sqliteReads,
    rows(sql) {
      const text = textOf(sql, sqliteReads.placeholder)
      const started = performance.now()
      const rows = kept(text).all(...(sql.values as Value[])) as unknown as Row[]
      connection.timings?.push({ sql: text, milliseconds: performance.now() - started })
      return rows
    },
    *batches(sql, following) {
      const text = textOf(sql, sqliteReads.placeholder)
      const started = performance.now()
      yield* following === undefined ? inBatches(prepare(text), sql) : inParts(following)
      connection.timings?.push({ sql: text, milliseconds: performance.now() - started })
    },
  }
  return connection
}

function* inBatches(statement: StatementSync, { values }: Sql): Generator<Row[], void, void> {
  let batch: Row[] = []
  for (const row of statement.iterate(...(values as Value[]))) {
    batch.push(row as unknown as Row)
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  yield batch
}

/** For all connections: they read the same file. */
const setCache = createSetCache(setBytes)

/** Connections that no read uses now. */
const free: Connection[] = []

async function answer({ read, timed }: ThreadJob): Promise<ThreadReply> {
  const connection = free.pop() ?? connect()
  connection.timings = timed ? [] : undefined
  let streams = false
  try {
    connection.database.exec('begin')
    const answer = await runRead(connection, read)
    const queries = connection.timings
    if (answer === undefined || 'body' in answer)
      return { finished: answer, queries } as ThreadReply
    streams = true
    return { stream: serve(connection, answer), queries } as ThreadReply
  } finally {
    if (!streams) release(connection)
  }
}

function release(connection: Connection): void {
  if (connection.database.isTransaction) connection.database.exec('commit')
  free.push(connection)
}

/** A port that gives a piece for each message, until it is closed. */
function serve({ database }: Connection, pieces: StreamedRead): MessagePort {
  // It reads forward once; with fifteen others, what it keeps in memory counts.
  database.exec('pragma cache_size = -512; pragma shrink_memory')
  const { port1: port, port2 } = new MessageChannel()
  port.on('message', async () => {
    try {
      const { value } = await pieces.next()
      const piece: StreamPiece = value ? { piece: value } : {}
      port.postMessage(piece, value ? [value.buffer] : [])
    } catch (error) {
      port.postMessage({ error: (error as Error).message } satisfies StreamPiece)
    }
  })
  port.on('close', async () => {
    await pieces.return()
    database.close()
  })
  return port2
}

parentPort!.on('message', async (job: ThreadJob) => {
  const reply = await answer(job).catch(({ message, stack }: Error): ThreadReply => {
    return { error: { message, stack } }
  })
  const { finished, stream } = reply
  const transferred = [finished?.body.buffer, stream].filter((part) => part !== undefined)
  parentPort!.postMessage(reply, transferred)
  if (setCache.wants) void prepare(makeWanted)
})

let isPreparing = false

/** Makes sets that searches will want, a statement at a time, so that a read need not wait for more than one. */
async function prepare(what: typeof makeWanted): Promise<void> {
  if (isPreparing) return
  isPreparing = true
  let connection: Connection | undefined
  try {
    connection = free.pop() ?? connect()
    connection.timings = undefined
    const { rows } = connection
    connection.database.exec('begin')
    await what({
      ...connection,
      async rows(statement: Sql) {
        await turn()
        return rows(statement)
      },
    })
  } catch {
    // The next search meets what is wrong, and tells.
  } finally {
    if (connection !== undefined) release(connection)
    isPreparing = false
  }
}

void prepare(prepareFrequent)
