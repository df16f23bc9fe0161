import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { placeFor } from '../beside.ts'
import { ImportError } from './errors.ts'
import { inOneLine, type Reject } from './import.ts'

const chunkSize = 65_536
const longestValue = 200

const cell = (value: string) => `"${value.replaceAll('"', '""')}"`

/**
 * Writes rejected rows to the CSV at `path`. It is written beside it and takes its place when it is
 * complete, so that what stands at `path` is always whole. Writing is synchronous: rows come as fast as
 * they are parsed, and waiting ones would have no bound.
 * @throws ImportError when `path` is the file `source` itself
 */
export function rejectsFile(path: string, source?: { ino: number; dev: number }) {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there !== undefined && there.ino === source?.ino && there.dev === source.dev) {
    throw new ImportError(`--rejects: ${path} is the file to import`)
  }
  const place = placeFor(path)
  let file: number | undefined
  let text = 'line,column,reason,value\r\n'
  let complete = false
  let failed = false
  let first = ''
  const flush = () => {
    for (let bytes = Buffer.from(text); bytes.length > 0; ) {
      bytes = bytes.subarray(writeSync(file!, bytes))
    }
    text = ''
  }
  const attempt = (work: () => void) => {
    try {
      work()
    } catch (error) {
      failed = true
      throw new ImportError(`cannot write the rejected rows: ${(error as Error).message}`)
    }
  }
  return {
    path,
    /** Whether the rejected rows stand at `path`. */
    complete: () => complete,
    /** The first of them, in one line. */
    first: () => first,
    /** @throws ImportError when the file cannot be made or written, which ends the import */
    write(rejected: Reject) {
      const { line, column, reason, value } = rejected
      attempt(() => {
        if (file === undefined) {
          first = inOneLine(rejected)
          file = openSync(place.beside, 'w')
        }
        text += `${line},${cell(column)},${cell(reason)},${cell(value.slice(0, longestValue))}\r\n`
        if (text.length > chunkSize) flush()
      })
    },
    /** Writes what is left and puts the file in its place. May be called again. @throws ImportError */
    finish() {
      if (file === undefined || failed) return
      attempt(() => {
        flush()
        closeSync(file!)
        file = undefined
        if (place.path !== undefined) renameSync(place.beside, place.path)
        complete = true
      })
    },
    /** Removes what could not be finished. */
    discard() {
      if (file !== undefined) closeSync(file)
      if (place.path !== undefined) rmSync(place.beside, { force: true })
    },
  }
}
