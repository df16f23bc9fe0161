import { readDotEnv } from './dot-env.ts'
import { isPrimary } from './plugins/workers/mode.ts'

/*
 * Preloaded before the service (`node --import ./telemetry.ts server.ts`), since modules must be
 * instrumented before they are loaded. Without an exporter's address it loads nothing.
 */

const telemetryNames = /^(OTEL_|APPLICATIONINSIGHTS_|WORKERS$|DATABASE_URL$)/

// The service reads `.env` itself, but only later.
for (const [name, value] of Object.entries(readDotEnv())) {
  if (value !== undefined && telemetryNames.test(name)) process.env[name] ??= value
}

const { APPLICATIONINSIGHTS_CONNECTION_STRING, OTEL_EXPORTER_OTLP_ENDPOINT } = process.env
const configured = APPLICATIONINSIGHTS_CONNECTION_STRING || OTEL_EXPORTER_OTLP_ENDPOINT

// Each worker exports what it does; the primary answers no request.
const wanted =
  configured && process.env.OTEL_SDK_DISABLED !== 'true' && !(await isPrimary(process.env.WORKERS))
if (wanted) {
  try {
    const { startTelemetry } = await import('./telemetry/start.ts')
    startTelemetry()
  } catch (error) {
    // The service runs without telemetry. config.ts reports an invalid setting.
    console.error(`telemetry: not started: ${(error as Error).message}`)
  }
}
