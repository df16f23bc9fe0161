import { Readable } from 'node:stream'
import type { MessagePort } from 'node:worker_threads'

/** What a thread sends for each message: a piece, an error, or nothing at the end. */
export interface StreamPiece {
  piece?: Uint8Array<ArrayBuffer>
  error?: string
}

/** Milliseconds for which a client may ask for nothing, and for all of the answer. */
export const streamLimits = { stall: 30_000, life: 900_000 }

/** Ends a stream whose client has stopped reading, or takes too long: it holds a read transaction. */
export function limitTime(stream: Readable): { wanted: () => void; given: () => void } {
  const { stall, life } = streamLimits
  const end = (what: string) => () => void stream.destroy(new Error(what))
  let stalled: NodeJS.Timeout | undefined
  const late = setTimeout(end(`the client has not read it all in ${life / 1000} s`), life).unref()
  stream.once('close', () => {
    clearTimeout(late)
    clearTimeout(stalled)
  })
  return {
    wanted: () => clearTimeout(stalled),
    given() {
      clearTimeout(stalled)
      stalled = setTimeout(end(`the client has read nothing for ${stall / 1000} s`), stall).unref()
    },
  }
}

/**
 * What comes through `port`, a piece for each demand. A stream that is destroyed, however, closes the port,
 * and the thread lets go of what it held.
 */
export function streamFrom(port: MessagePort, onClose: () => void): Readable {
  const stream = new Readable({
    read() {
      time.wanted()
      port.postMessage('next')
    },
    destroy(error, done) {
      port.close()
      onClose()
      done(error)
    },
  })
  const time = limitTime(stream)
  let ended = false
  port.on('message', ({ piece, error }: StreamPiece) => {
    if (error !== undefined) {
      stream.destroy(new Error(error))
      return
    }
    time.given()
    ended = piece === undefined
    if (piece !== undefined) collect(piece.length)
    stream.push(piece ?? null)
  })
  port.on('close', () => {
    if (!ended) stream.destroy(new Error('the reading thread has ended'))
  })
  return stream
}

/** Bytes after which the pieces that were sent are given back: left to themselves they are 64 MiB. */
const collectAfter = 4 * 1024 * 1024
let passed = 0

/** Needs `--expose-gc`, which `npm start` sets. It takes about a millisecond. */
function collect(bytes: number): void {
  passed += bytes
  if (passed < collectAfter) return
  passed = 0
  globalThis.gc?.({ type: 'minor', execution: 'sync' })
}
