import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** Delay (milliseconds) and utilization (0 to 1) of the event loop in the last full second. */
export interface EventLoop {
  p50: number
  p99: number
  max: number
  utilization: number
}

/** Sampling period in milliseconds. Node's histogram includes it in each delay. */
const resolution = 10

/** Samples the event loop until `stop`; `latest` returns the values of the last full second. */
export function monitorEventLoop() {
  const delays = monitorEventLoopDelay({ resolution })
  const toDelay = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
  let previous = performance.eventLoopUtilization()
  let latest: EventLoop = { p50: 0, p99: 0, max: 0, utilization: 0 }
  delays.enable()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    latest = {
      p50: toDelay(delays.percentile(50)),
      p99: toDelay(delays.percentile(99)),
      max: toDelay(delays.max),
      utilization: performance.eventLoopUtilization(now, previous).utilization,
    }
    previous = now
    delays.reset()
  }, 1000)
  timer.unref()
  return {
    latest: () => latest,
    stop() {
      clearInterval(timer)
      delays.disable()
    },
  }
}
