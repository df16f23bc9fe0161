import { channel } from 'node:diagnostics_channel'
import { availableParallelism } from 'node:os'
import { type MessagePort, Worker } from 'node:worker_threads'
import { type Database, DatabaseUnavailable, TooManyReads } from '../dialects/dialect.ts'
import { publishQueries, type QueryTiming, queryChannel } from '../query-log.ts'
import { threadArguments } from '../thread-arguments.ts'
import type { FinishedRead, Read } from './read.ts'
import { createSemaphore } from './semaphore.ts'
import { defaultBounds, type ReadBounds } from './session.ts'
import { streamFrom } from './stream.ts'

export interface ReaderOptions extends Partial<ReadBounds> {
  /** How many reads wait; those beyond are refused (default 200). */
  maxWaiting?: number
  /** One thread starts now, beside whatever else does, so that the first read need not wait for it. */
  startOne?: boolean
}

/** What a thread is started with. */
export interface ThreadData {
  path: string
  bounds: ReadBounds
}

/** What a thread is asked. `timed`: it also tells how long its statements took. */
export interface ThreadJob {
  read: Read
  timed: boolean
}

/** What it answers. `stream`: a port that gives a piece for each message. */
export interface ThreadReply {
  finished?: FinishedRead
  stream?: MessagePort
  queries?: QueryTiming[]
  error?: { message: string; stack?: string | undefined }
}

/** How many answers are streamed at a time. Each holds a read transaction and some memory. */
const maxStreams = 8

/**
 * Reads the SQLite file at `path` in threads, as many as there are cores (2 to 8), each with a read-only
 * connection of its own. They are started when they are needed; one that dies is replaced.
 */
export function openReaders(path: string, options: ReaderOptions = {}) {
  const { maxWaiting = 200, startOne = false, ...bounds } = options
  const threads = new Set<Thread>()
  const idle: Thread[] = []
  const semaphore = createSemaphore({
    maxRunning: Math.min(8, Math.max(2, availableParallelism())),
    maxWaiting,
  })
  const queries = channel(queryChannel)
  let streams = 0
  let closed = false

  function start(): Thread {
    const thread = startThread({ path, bounds: { ...defaultBounds, ...bounds } }, () => {
      threads.delete(thread)
      if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
    })
    threads.add(thread)
    return thread
  }

  if (startOne) idle.push(start())

  async function ask(read: Read, signal: AbortSignal | undefined): Promise<ThreadReply> {
    await semaphore.acquire(signal)
    try {
      if (closed) throw new DatabaseUnavailable('the database is closed')
      const thread = idle.pop() ?? start()
      const reply = await thread.run({ read, timed: queries.hasSubscribers })
      idle.push(thread)
      return reply
    } finally {
      semaphore.release()
    }
  }

  const read: Database['read'] = async (what, { signal } = {}) => {
    const { finished, stream, error, queries: timings = [] } = await ask(what, signal)
    publishQueries(timings)
    if (error !== undefined) throw Object.assign(new Error(error.message), error)
    if (stream === undefined) return finished
    if (streams >= maxStreams || signal?.aborted) {
      stream.close()
      throw signal?.reason ?? new TooManyReads(`${streams} answers are streamed already`)
    }
    streams += 1
    const ended = () => {
      streams -= 1
    }
    return { stream: streamFrom(stream, ended) }
  }

  async function close(): Promise<void> {
    closed = true
    await Promise.all([...threads].map((thread) => thread.end()))
  }

  return { read, admit: semaphore.admit, close }
}

interface Thread {
  /** @throws DatabaseUnavailable when it ends before it answers */
  run: (job: ThreadJob) => Promise<ThreadReply>
  end: () => Promise<unknown>
}

function startThread(workerData: ThreadData, onEnd: () => void): Thread {
  const worker = new Worker(new URL('./thread.ts', import.meta.url), {
    execArgv: threadArguments,
    workerData,
    // What a read makes is short-lived, and a heap that may grow is collected late. The largest list that is
    // held needs some eight times its length.
    resourceLimits: {
      maxYoungGenerationSizeMb: 4,
      maxOldGenerationSizeMb: Math.max(256, (12 * workerData.bounds.streamAbove) / 1_048_576),
    },
  })
  let current: PromiseWithResolvers<ThreadReply> | undefined
  let failure: Error | undefined
  worker.on('message', (reply: ThreadReply) => {
    worker.unref()
    current?.resolve(reply)
  })
  worker.on('error', (error: Error) => {
    failure = error
  })
  worker.on('exit', () => {
    onEnd()
    const message = failure?.message ?? 'it was ended'
    current?.reject(new DatabaseUnavailable(`a reading thread: ${message}`, { cause: failure }))
  })
  // An idle thread does not keep the process alive. A listener of its messages would, so this comes after them.
  worker.unref()
  return {
    run(job) {
      current = Promise.withResolvers()
      worker.ref()
      worker.postMessage(job)
      return current.promise
    },
    end: () => worker.terminate(),
  }
}
