import { DatabaseSync } from 'node:sqlite'

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
