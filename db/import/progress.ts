import { SingleBar } from 'cli-progress'

const lineEvery = 2000

export interface Progress {
  update: (rows: number) => void
  /** All is read; indexes and the commit are to come. */
  finishing: () => void
  seconds: () => number
  stop: () => void
}

/**
 * Shows how far an import is, from the bytes of the file read so far: a bar with rate and time left
 * on a terminal, a plain line every two seconds elsewhere (both on stderr).
 */
export function importProgress(totalBytes: number, bytesRead: () => number): Progress {
  const started = performance.now()
  const seconds = () => Math.max((performance.now() - started) / 1000, 0.001)
  const rate = (rows: number) => Math.round(rows / seconds())
  if (process.stderr.isTTY) return bar(totalBytes, bytesRead, rate, seconds)
  let next = started + lineEvery
  let said = false
  const update = (rows: number) => {
    if (performance.now() < next) return
    next = performance.now() + lineEvery
    said = true
    const share = totalBytes > 0 ? `${Math.floor((100 * bytesRead()) / totalBytes)} % read, ` : ''
    console.error(`${share}${rows} rows, ${rate(rows)} rows/s`)
  }
  // An import too short for a first line needs none for its end.
  const finishing = () => void (said && console.error('all read, building indexes'))
  return { update, finishing, seconds, stop: () => {} }
}

function bar(
  totalBytes: number,
  bytesRead: () => number,
  rate: (rows: number) => number,
  seconds: () => number,
): Progress {
  const single = new SingleBar({
    format: '{bar} {percentage} % | {rows} rows | {rate} rows/s | {left}',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  })
  single.start(totalBytes, 0, { rows: 0, rate: 0, left: '' })
  return {
    update: (rows) => {
      const share = bytesRead() / Math.max(totalBytes, 1)
      const left = `${Math.ceil((seconds() * (1 - share)) / Math.max(share, 0.001))} s left`
      single.update(bytesRead(), { rows, rate: rate(rows), left })
    },
    finishing: () => single.update(totalBytes, { left: 'building indexes' }),
    seconds,
    stop: () => single.stop(),
  }
}
