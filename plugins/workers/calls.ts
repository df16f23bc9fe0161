import type { EventEmitter } from 'node:events'
import { withTimeout } from '../cache/with-timeout.ts'

/** One end of an IPC channel: `process` in a worker, the worker in the primary. */
export interface Channel extends Pick<EventEmitter, 'on'> {
  send?(message: object, handle: undefined, options: undefined, sent: () => void): boolean
}

type Message =
  | { call: number; name: string; argument: unknown }
  | { reply: number; value?: unknown; error?: string }

/** Asks the other end; rejects when it fails, is gone, or has not answered within `limit` milliseconds. */
export type Call = <T>(name: string, argument?: unknown, limit?: number) => Promise<T>

/** The default limit of a call, in milliseconds. */
const defaultLimit = 2000

/** Calls over an IPC channel, in both directions; `answer` serves those of the other end. */
export function openCalls(
  channel: Channel,
  answer: (name: string, argument: unknown) => unknown,
): Call {
  const pending = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  // A failure to send is left to the caller's limit, or to `disconnect`.
  const send = (message: Message) => channel.send!(message, undefined, undefined, () => {})

  async function reply(call: number, name: string, argument: unknown) {
    try {
      send({ reply: call, value: await answer(name, argument) })
    } catch (error) {
      send({ reply: call, error: (error as Error).message })
    }
  }

  channel.on('message', (message: Message) => {
    if ('call' in message) void reply(message.call, message.name, message.argument)
    else if ('reply' in message) {
      const { reply, value, error } = message
      if (error === undefined) pending.get(reply)?.resolve(value)
      else pending.get(reply)?.reject(new Error(error))
    }
  })
  channel.on('disconnect', () => {
    for (const { reject } of pending.values()) reject(new Error('the other process has ended'))
  })

  return async <T>(name: string, argument?: unknown, limit = defaultLimit) => {
    const id = ++last
    const answered = Promise.withResolvers<unknown>()
    pending.set(id, answered)
    send({ call: id, name, argument })
    try {
      return (await withTimeout(answered.promise, limit)) as T
    } finally {
      pending.delete(id)
    }
  }
}
