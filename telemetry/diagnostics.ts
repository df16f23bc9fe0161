import { type DiagLogFunction, DiagLogLevel, diag } from '@opentelemetry/api'

/** Minimum milliseconds between two lines about the same problem. */
const repeatInterval = 60_000

/**
 * Writes OpenTelemetry's own diagnostics to stderr, each message at most once a minute, so that an
 * unreachable collector does not fill the log. `level` is OTEL_LOG_LEVEL.
 */
export function writeDiagnostics(level = 'warn'): void {
  const lastWritten = new Map<string, number>()
  const write: DiagLogFunction = (message, ...rest) => {
    const text = [message, ...rest.map(String)].join(' ').slice(0, 300)
    const now = Date.now()
    const pattern = text.replaceAll(/\d+/g, '#')
    if (now - (lastWritten.get(pattern) ?? 0) < repeatInterval) return
    if (lastWritten.size > 100) lastWritten.clear()
    lastWritten.set(pattern, now)
    process.stderr.write(`telemetry: ${text}\n`)
  }
  const logLevel = DiagLogLevel[level.toUpperCase() as keyof typeof DiagLogLevel]
  diag.setLogger(
    { error: write, warn: write, info: write, debug: write, verbose: write },
    { logLevel: logLevel ?? DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
