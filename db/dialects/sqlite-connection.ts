import { DatabaseSync } from 'node:sqlite'

/** One tuned connection to the file at `path`, with the function `fold` that search uses. */
export function openConnection(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 5000 })
  connection.exec('pragma journal_mode = wal')
  // Several processes may open a new file at once. From now on a wait would block the event loop.
  connection.exec('pragma busy_timeout = 250')
  connection.exec('pragma synchronous = normal')
  connection.exec('pragma cache_size = -16384')
  addFunctions(connection)
  return connection
}

/** A connection for reading alone. */
export function openReadOnly(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { readOnly: true, timeout: 1000 })
  connection.exec('pragma cache_size = -4096')
  addFunctions(connection)
  return connection
}

function addFunctions(connection: DatabaseSync): void {
  connection.function('fold', { deterministic: true }, (text: unknown) =>
    String(text).toLowerCase(),
  )
}
