import { Worker } from 'node:worker_threads'
import type { BatchRow, ImportSummary, OpenStage } from './import.ts'

/** What the worker is asked, and what it answers in turn. */
export type Request = { load: BatchRow[] } | { finish: true } | { abort: true }
export type Reply = {
  existing?: number
  left?: BatchRow[]
  counts?: Pick<ImportSummary, 'added' | 'changed' | 'unchanged' | 'removed'>
  error?: Error
}

/**
 * Imports into the SQLite file at `path` on a connection and a thread of its own, so that parsing
 * and inserting overlap and a server that fills its database goes on answering.
 */
export function sqliteStage(path: string): OpenStage {
  return async ({ replace, dryRun }) => {
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
      workerData: { path, replace, dryRun },
    })
    let waiting = Promise.withResolvers<Reply>()
    worker.on('message', (reply: Reply) => {
      if (reply.error) waiting.reject(reply.error)
      else waiting.resolve(reply)
    })
    worker.on('error', (error) => waiting.reject(error))
    const ask = (request: Request) => {
      waiting = Promise.withResolvers<Reply>()
      worker.postMessage(request)
      return waiting.promise
    }
    const { existing } = await waiting.promise
    return {
      existing: existing!,
      load: async (rows) => (await ask({ load: rows })).left!,
      finish: async () => {
        const { counts } = await ask({ finish: true })
        await worker.terminate()
        return counts!
      },
      abort: async () => {
        await ask({ abort: true }).catch(() => {})
        await worker.terminate()
      },
    }
  }
}
