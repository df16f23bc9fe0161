/** Milliseconds within which Redis answers or counts as away. */
const commandTimeout = 100

export class Late extends Error {}

/**
 * Rule 8 of the cache, for every command. What is not answered within 100 ms counts as lost. When the
 * time is up the answer may be waiting in the socket behind our own work, so the loop gets one turn to
 * read it.
 */
export function inTime<T>(command: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Late(`no answer within ${commandTimeout} ms`))
    const timer = setTimeout(() => setImmediate(late), commandTimeout)
    command.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
