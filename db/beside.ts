import { realpathSync, statSync } from 'node:fs'

/** Where a file is written that has to be whole when it stands at its path. */
export interface Place {
  /** What is written to. */
  beside: string
  /** What `beside` is renamed to when all is there; undefined for what cannot be replaced. */
  path: string | undefined
}

/** Beside a file; a link stays and its file is replaced, and a device or a pipe is written to as it is. */
export function placeFor(path: string): Place {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there !== undefined && !there.isFile() && !there.isDirectory()) {
    return { beside: path, path: undefined }
  }
  const file = there === undefined ? path : realpathSync(path)
  return { beside: `${file}.${process.pid}.partial`, path: file }
}
