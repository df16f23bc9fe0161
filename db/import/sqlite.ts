import { Worker } from 'node:worker_threads'
import { stagedColumns } from '../../catalogue/columns.ts'
import { busy } from '../dialects/sqlite-connection.ts'
import { threadArguments } from '../thread-arguments.ts'
import { ImportError } from './errors.ts'
import type { BatchRow, ImportSummary, OpenStage, Stage, StageOptions } from './import.ts'

/** The columns of a row as the table has them. */
export const storedColumns = [...stagedColumns, 'sort_title'] as const

/** Rows for the worker: flat, since copying a thousand objects between threads costs three times. */
export interface FlatRows {
  /** `storedColumns` of the first row, then of the second, and so on; the worker fills in `sort_title`. */
  values: (string | number | null)[]
  /** The ids under which this service exported the rows, where the file has them. */
  exported?: (number | null)[]
}

/** How far an import is. Who moves it on from `loading` has decided how it ends. */
export const phases = { loading: 0, committing: 1, aborted: 2 } as const

export interface Start extends StageOptions {
  path: string
  /** One of `phases`, in memory that both threads see. */
  phase: Int32Array<SharedArrayBuffer>
}

export type Request = { load: FlatRows } | { finish: true }

/** What the worker answers to each request in turn; the first answer is to its start. */
export interface Reply {
  existing?: number
  /** Positions, within the batch, of the rows left out, and why. */
  left?: { position: number; reason: string }[]
  counts?: Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>
  error?: { message: string; errcode: number | undefined }
}

/**
 * Imports into the SQLite file at `path` on a connection and a thread of its own, so that parsing
 * and inserting overlap and a server that fills its database goes on answering.
 */
export function sqliteStage(path: string): OpenStage {
  return async (options) => {
    const phase = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
      execArgv: threadArguments,
      workerData: { ...options, path, phase } satisfies Start,
      // Batches are short-lived; a young generation left to itself grows to some 50 MB.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    const ask = conversation(worker)
    try {
      const { existing } = await ask()
      return stageOf(worker, ask, phase, existing!)
    } catch (error) {
      await worker.terminate()
      throw error
    }
  }
}

type Ask = (request?: Request) => Promise<Reply>

function stageOf(worker: Worker, ask: Ask, phase: Start['phase'], existing: number): Stage {
  let finishing: Promise<Reply> | undefined
  return {
    existing,
    load: async (rows) => {
      const { left } = await ask({ load: flatten(rows) })
      return left!.map(({ position, reason }) => ({ row: rows[position]!, reason }))
    },
    finish: async () => {
      finishing = ask({ finish: true })
      const { counts } = await finishing
      await worker.terminate()
      return counts!
    },
    abort: async () => {
      const before = Atomics.compareExchange(phase, 0, phases.loading, phases.aborted)
      if (before === phases.committing) await finishing?.catch(() => {})
      // The end of the thread closes its connection, and that rolls back.
      await worker.terminate()
    },
  }
}

function flatten(rows: BatchRow[]): FlatRows {
  const flat: FlatRows = { values: [] }
  for (const row of rows) {
    for (const name of stagedColumns) flat.values.push(row[name])
    flat.values.push('')
  }
  if (rows[0]?.exported_id !== undefined) flat.exported = rows.map((row) => row.exported_id ?? null)
  return flat
}

/** Pairs answers with requests. Once the worker is gone, however it went, every request rejects. */
function conversation(worker: Worker): Ask {
  const waiting: PromiseWithResolvers<Reply>[] = []
  let gone: Error | undefined
  const end = (error: Error) => {
    gone ??= error
    for (const { reject } of waiting.splice(0)) reject(gone)
  }
  worker.on('message', (reply: Reply) => {
    const { resolve, reject } = waiting.shift()!
    if (reply.error === undefined) resolve(reply)
    else reject(errorOf(reply.error))
  })
  worker.on('error', end)
  worker.on('exit', () => end(new Error('the import thread has ended')))
  return (request) => {
    if (gone !== undefined) return Promise.reject(gone)
    const answer = Promise.withResolvers<Reply>()
    waiting.push(answer)
    if (request !== undefined) worker.postMessage(request)
    return answer.promise
  }
}

function errorOf({ message, errcode }: NonNullable<Reply['error']>): Error {
  if (errcode === busy) return new ImportError('another process holds the database')
  return new Error(`the database: ${message}`)
}
