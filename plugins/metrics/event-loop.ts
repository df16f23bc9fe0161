import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How late the event loop was in the last full second, in milliseconds, and how busy (0 to 1). */
export interface EventLoop {
  p50: number
  p99: number
  max: number
  utilization: number
}

/** Milliseconds between two looks at the loop; Node counts them as delay. */
const resolution = 10

/** Watches the event loop; `latest` is of the last full second. */
export function watchEventLoop() {
  const delays = monitorEventLoopDelay({ resolution })
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
  let since = performance.eventLoopUtilization()
  let latest: EventLoop = { p50: 0, p99: 0, max: 0, utilization: 0 }
  delays.enable()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    latest = {
      p50: late(delays.percentile(50)),
      p99: late(delays.percentile(99)),
      max: late(delays.max),
      utilization: performance.eventLoopUtilization(now, since).utilization,
    }
    since = now
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
