import { type DiagLogFunction, DiagLogLevel, diag } from '@opentelemetry/api'

/** A problem that stays is said again after this many milliseconds. */
const again = 60_000

/**
 * Says on stderr what telemetry itself complains of, each thing once a minute: an absent collector is
 * worth a line, and never a full log. `level` is OTEL_LOG_LEVEL.
 */
export function reportProblems(level = 'warn'): void {
  const said = new Map<string, number>()
  const say: DiagLogFunction = (message, ...rest) => {
    const text = [message, ...rest.map(String)].join(' ').slice(0, 300)
    const now = Date.now()
    const kind = text.replaceAll(/\d+/g, '#')
    if (now - (said.get(kind) ?? 0) < again) return
    if (said.size > 100) said.clear()
    said.set(kind, now)
    process.stderr.write(`telemetry: ${text}\n`)
  }
  const logLevel = DiagLogLevel[level.toUpperCase() as keyof typeof DiagLogLevel]
  diag.setLogger(
    { error: say, warn: say, info: say, debug: say, verbose: say },
    { logLevel: logLevel ?? DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
