import { SingleBar } from 'cli-progress'

const lineEvery = 2000

/**
 * Shows how far an import is, from the bytes of the file read so far: a bar with rate and time left
 * on a terminal, a plain line every two seconds elsewhere (both on stderr).
 */
export function importProgress(totalBytes: number, bytesRead: () => number) {
  const started = performance.now()
  const seconds = () => Math.max((performance.now() - started) / 1000, 0.001)
  const rate = (rows: number) => Math.round(rows / seconds())
  if (!process.stderr.isTTY) {
    let next = started + lineEvery
    const update = (rows: number) => {
      if (performance.now() < next) return
      next = performance.now() + lineEvery
      const share = Math.floor((100 * bytesRead()) / Math.max(totalBytes, 1))
      console.error(`${share} % read, ${rows} rows, ${rate(rows)} rows/s`)
    }
    return { update, seconds, stop: () => {} }
  }
  const bar = new SingleBar({
    format: '{bar} {percentage} % | {rows} rows | {rate} rows/s | {eta_formatted} left',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  })
  bar.start(totalBytes, 0, { rows: 0, rate: 0 })
  return {
    update: (rows: number) => bar.update(bytesRead(), { rows, rate: rate(rows) }),
    seconds,
    stop: () => bar.stop(),
  }
}
