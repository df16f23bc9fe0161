import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Unavailable } from '../errors.ts'
import { type Channel, openCalls } from './calls.ts'
import type { Count } from './counts.ts'
import { workerCount } from './mode.ts'

/** The processes that answer requests on this port: this one, and with WORKERS its siblings. */
export interface Workers {
  size: number
  /** Has every worker answer `question` by `answer`. */
  answer: (question: string, answer: (argument: never) => unknown) => void
  /**
   * The answers of all workers, this one's included.
   * @throws Unavailable (503) when one does not answer in time: a part must not pass for the whole
   */
  ask: <T>(question: string, argument?: unknown) => Promise<T[]>
  /** Adds `by` to a count that the workers share; undefined in a process without siblings. */
  count: ((key: string, window: number, by: number) => Promise<Count>) | undefined
  /** Tells the primary that this worker listens. */
  listening: () => Promise<void>
  /**
   * Before this worker closes: resolves once every worker that is to end has stopped listening. A client that is
   * told to connect again then never meets one that is about to close.
   */
  stopped: () => Promise<void>
  /** Whether another worker listens. */
  hasOthers: () => Promise<boolean>
}

declare module 'fastify' {
  interface FastifyInstance {
    workers: Workers
  }
}

/** Milliseconds that the primary has to gather the answers, more than it gives each worker. */
const askLimit = 3000

/** `channel`: the worker's to its primary. Without it the process is alone. */
async function workersPlugin(app: FastifyInstance, { channel }: { channel?: Channel | undefined }) {
  const answers = new Map<string, (argument: never) => unknown>()
  answers.set('stopListening', app.stopListening)
  const own = (question: string, argument: unknown) => answers.get(question)!(argument as never)
  const call = channel && openCalls(channel, own)
  const orUnavailable = (error: unknown): never => {
    throw new Unavailable('another worker process did not answer', 1, { cause: error })
  }
  app.decorate<Workers>('workers', {
    size: call === undefined ? 1 : workerCount(app.config.WORKERS),
    answer: (question, answer) => void answers.set(question, answer),
    ask: async <T>(question: string, argument?: unknown) =>
      call === undefined
        ? [(await own(question, argument)) as T]
        : call<T[]>('ask', { question, argument }, askLimit).catch(orUnavailable),
    count:
      call && ((key, window, by) => call<Count>('count', { key, window, by }).catch(orUnavailable)),
    listening: async () => call?.('listening'),
    stopped: async () => call?.<void>('stopped').catch(() => {}),
    hasOthers: async () => (await call?.<boolean>('hasOthers')) ?? false,
  })
}

export default fp(workersPlugin, {
  name: 'workers',
  dependencies: ['config', 'problems', 'connection-drain'],
})
