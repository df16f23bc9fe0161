import { hostname } from 'node:os'

const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: 100 }

export type PrimaryLog = ReturnType<typeof createPrimaryLog>

/** Lines as the workers' logger writes them. The primary writes few, and loads no logger for them. */
export function createPrimaryLog(level: keyof typeof levels) {
  const at = (name: 'info' | 'error' | 'fatal') => (given: unknown) => {
    if (levels[name] < levels[level]) return
    const msg = given instanceof Error ? given.message : String(given)
    const line = {
      level: levels[name],
      time: Date.now(),
      pid: process.pid,
      hostname: hostname(),
      msg,
    }
    console.log(process.stdout.isTTY ? msg : JSON.stringify(line))
  }
  return { info: at('info'), error: at('error'), fatal: at('fatal') }
}
