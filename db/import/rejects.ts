import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import type { Reject } from './csv.ts'
import { ImportError } from './errors.ts'

const chunkSize = 65_536
const longestValue = 200

const cell = (value: string) => `"${value.replaceAll('"', '""')}"`

/**
 * Writes rejected rows to the CSV at `path`, which is made with the first of them. It writes
 * synchronously: rows come as fast as they are parsed, and waiting ones would have no bound.
 * @throws ImportError when `path` is the file `source` itself
 */
export function rejectsFile(path: string, source: { ino: number; dev: number }) {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there?.ino === source.ino && there.dev === source.dev) {
    throw new ImportError(`--rejects: ${path} is the file to import`)
  }
  let file: number | undefined
  let text = 'line,column,reason,value\r\n'
  const attempt = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw new ImportError(`cannot write the rejected rows: ${(error as Error).message}`)
    }
  }
  const flush = () => {
    for (let bytes = Buffer.from(text); bytes.length > 0; ) {
      bytes = bytes.subarray(writeSync(file!, bytes))
    }
    text = ''
  }
  return {
    path,
    used: () => file !== undefined,
    /** @throws ImportError when the file cannot be made or written, which ends the import */
    write({ line, column, reason, value }: Reject) {
      file ??= attempt(() => openSync(path, 'w'))
      text += `${line},${cell(column)},${cell(reason)},${cell(value.slice(0, longestValue))}\r\n`
      if (text.length > chunkSize) attempt(flush)
    },
    /** Writes what is left. @throws ImportError */
    flush() {
      if (file !== undefined) attempt(flush)
    },
    close() {
      if (file !== undefined) closeSync(file)
    },
  }
}
