import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import { logs } from '@opentelemetry/api-logs'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions'
import project from '../package.json' with { type: 'json' }
import { workerCount } from '../plugins/workers/mode.ts'
import { startAzure } from './azure.ts'
import { traceCache } from './cache.ts'
import { writeDiagnostics } from './diagnostics.ts'
import { childSpansOnly, instrumentations, requestSpans } from './instrumentations.ts'
import { createMetricSource } from './metrics.ts'
import { otlpPipelines, startOtlp } from './otlp.ts'
import { traceQueries } from './queries.ts'
import { traceIdOf, withTraceId } from './requests.ts'
import { setRunning } from './running.ts'
import { createSampler } from './sampling.ts'

/**
 * Starts OpenTelemetry with the exporters that the environment asks for: Azure Monitor, OTLP over
 * HTTP, or both. Call it before the modules that it instruments are loaded.
 * @throws Error when a setting is invalid
 */
export function startTelemetry(env: NodeJS.ProcessEnv = process.env): void {
  writeDiagnostics(env.OTEL_LOG_LEVEL)
  const source = createMetricSource()
  const ratio = samplingRatio(env)
  const resource = describeService()
  const connectionString = env.APPLICATIONINSIGHTS_CONNECTION_STRING
  const authentication = env.APPLICATIONINSIGHTS_AUTHENTICATION_STRING
  const otlp = env.OTEL_EXPORTER_OTLP_ENDPOINT ? otlpPipelines(source) : undefined
  // Azure's distribution sets the global API itself, so with both it also runs the OTLP pipelines.
  const stop = connectionString
    ? startAzure({ connectionString, authentication, resource, ratio, source, otlp })
    : startOtlp({ resource, pipelines: otlp! })
  const tracerProvider = trace.getTracerProvider()
  const { all, fastify, tedious } = instrumentations(env)
  registerInstrumentations({
    tracerProvider,
    loggerProvider: logs.getLoggerProvider(),
    instrumentations: all,
  })
  tedious.setTracerProvider(childSpansOnly(tracerProvider))
  traceQueries()
  const isSampled = createSampler(ratio)
  setRunning({
    observe({ metrics, cache }) {
      source.observe(metrics)
      traceCache(cache)
    },
    isSampled,
    requestSpans: requestSpans(fastify, isSampled),
    traceIdOf,
    withTraceId,
    shutdown: async (limit) => {
      const timeout = sleep(limit, undefined, { ref: false })
      await Promise.race([stop().catch(() => {}), timeout])
    },
  })
}

/** The resource of all signals. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override these values. */
function describeService(): Resource {
  const defaults = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: project.name,
    [ATTR_SERVICE_VERSION]: project.version,
    [ATTR_SERVICE_INSTANCE_ID]: `${hostname()}:${process.pid}`,
    'host.name': hostname(),
  })
  const detected = detectResources({ detectors: [envDetector] })
  const service = defaultResource().merge(defaults).merge(detected)
  const instance = detected.attributes[ATTR_SERVICE_INSTANCE_ID]
  if (instance === undefined || workerCount(process.env.WORKERS || '1') === 1) return service
  // Given to all workers, and two that export under one identity overwrite each other's metrics.
  const own = { [ATTR_SERVICE_INSTANCE_ID]: `${instance}:${process.pid}` }
  return service.merge(resourceFromAttributes(own))
}

/** The share of traces to keep, OTEL_TRACES_SAMPLER_ARG, 1 by default. config.ts validates it. */
const samplingRatio = ({ OTEL_TRACES_SAMPLER_ARG: text }: NodeJS.ProcessEnv): number =>
  Math.min(1, Math.max(0, Number(text || 1) || 0))
