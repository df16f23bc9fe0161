import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/*
 * Preloaded before the service (`node --import ./telemetry.ts server.ts`), since what is to be traced
 * has to be watched before it is loaded. Without an address to send to it loads nothing at all.
 */

const ours = /^(OTEL_|APPLICATIONINSIGHTS_)/

// The service reads `.env` by itself, later.
if (existsSync('.env')) {
  for (const [name, value] of Object.entries(parseEnv(readFileSync('.env', 'utf8')))) {
    if (ours.test(name)) process.env[name] ??= value
  }
}

const { APPLICATIONINSIGHTS_CONNECTION_STRING, OTEL_EXPORTER_OTLP_ENDPOINT } = process.env
const configured = APPLICATIONINSIGHTS_CONNECTION_STRING || OTEL_EXPORTER_OTLP_ENDPOINT

if (configured && process.env.OTEL_SDK_DISABLED !== 'true') {
  try {
    const { startTelemetry } = await import('./telemetry/start.ts')
    startTelemetry()
  } catch (error) {
    // A service that cannot be watched is still a service; a wrong setting is reported by config.ts.
    console.error(`telemetry: not started: ${(error as Error).message}`)
  }
}
