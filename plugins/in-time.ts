/** Milliseconds within which Redis answers a request of ours or counts as away. */
const patience = 100

export class Late extends Error {}

/**
 * Rule 8 of the cache: a command that is not answered within 100 ms, or `limit`, counts as lost. When
 * the time is up the answer may be waiting in the socket behind our own work, so the loop gets one turn
 * to read it.
 * @throws Late
 */
export function inTime<T>(command: Promise<T>, limit = patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Late(`no answer within ${limit} ms`))
    const timer = setTimeout(() => setImmediate(late), limit)
    command.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
