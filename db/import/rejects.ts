import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Reject } from './import.ts'

const cell = (value: string | number) => `"${String(value).replaceAll('"', '""')}"`

/** Writes rejected rows to the CSV at `path`, which is made with the first of them. */
export function rejectsFile(path: string) {
  let stream: WriteStream | undefined
  return {
    path,
    write({ line, column, reason, value }: Reject) {
      if (stream === undefined) {
        stream = createWriteStream(path)
        stream.write('line,column,reason,value\r\n')
      }
      stream.write(`${line},${cell(column)},${cell(reason)},${cell(value)}\r\n`)
    },
    async close() {
      if (stream === undefined || stream.writableEnded) return
      stream.end()
      await finished(stream)
    },
  }
}
