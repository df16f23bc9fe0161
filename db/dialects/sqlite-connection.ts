import { DatabaseSync } from 'node:sqlite'

/** The `errcode` when another connection holds the lock (https://sqlite.org/rescode.html#busy). */
export const busy = 5

/** One tuned connection to the file at `path`. */
export function openConnection(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 5000 })
  connection.exec('pragma journal_mode = wal')
  // Several processes may open a new file at once. From now on a wait would block the event loop.
  connection.exec('pragma busy_timeout = 250')
  connection.exec('pragma synchronous = normal')
  connection.exec('pragma cache_size = -16384')
  return connection
}

/** A connection for reading alone. */
export function openReadOnly(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { readOnly: true, timeout: 1000 })
  connection.exec('pragma cache_size = -4096')
  return connection
}

/** Prepares each text once; with more than `limit` texts it begins anew. */
export function statementCache<T>(prepare: (text: string) => T, limit = 200): (text: string) => T {
  const prepared = new Map<string, T>()
  return (text) => {
    let statement = prepared.get(text)
    if (statement === undefined) {
      if (prepared.size >= limit) prepared.clear()
      statement = prepare(text)
      prepared.set(text, statement)
    }
    return statement
  }
}
