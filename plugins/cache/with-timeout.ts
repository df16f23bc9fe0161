import { type Runtime, systemRuntime } from './runtime.ts'

/** Milliseconds within which Redis answers, or counts as away. */
const commandTimeout = 100

export class TimeoutError extends Error {
  override name = 'TimeoutError'
}

/**
 * Rule 8. Rejects when `command` takes longer than `ms`. By then the reply may be waiting in the socket
 * behind our own work, so the event loop gets one more turn to read it. `onReply` is called with a late
 * reply too.
 * @throws TimeoutError
 */
export function withTimeout<T>(
  command: Promise<T>,
  ms: number = commandTimeout,
  { after, immediate }: Pick<Runtime, 'after' | 'immediate'> = systemRuntime,
  onReply: () => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(new TimeoutError(`no answer within ${ms} ms`))
    const cancel = after(ms, () => immediate(expire))
    command.then(
      (value) => {
        cancel()
        onReply()
        resolve(value)
      },
      (error) => {
        cancel()
        reject(error)
      },
    )
  })
}
