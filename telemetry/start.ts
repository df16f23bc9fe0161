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
import { startAzure } from './azure.ts'
import { traceCache } from './cache.ts'
import { reportProblems } from './diagnostics.ts'
import { instrumentations, onlyWithin, requestSpans } from './instrumentations.ts'
import { createMetricSource } from './metrics.ts'
import { otlpPipelines, startOtlp } from './otlp.ts'
import { traceQueries } from './queries.ts'
import { follow, traceIdOf } from './requests.ts'
import { setRunning } from './running.ts'
import { createSampling } from './sampling.ts'

/**
 * Starts OpenTelemetry with the exporters that the environment asks for: Azure Monitor, OTLP over
 * HTTP, or both. To be called before the modules that it watches are loaded.
 * @throws Error when a setting is no good
 */
export function startTelemetry(env: NodeJS.ProcessEnv = process.env): void {
  reportProblems(env.OTEL_LOG_LEVEL)
  const source = createMetricSource()
  const ratio = samplingRatio(env)
  const resource = describeService()
  const connectionString = env.APPLICATIONINSIGHTS_CONNECTION_STRING
  const otlp = env.OTEL_EXPORTER_OTLP_ENDPOINT ? otlpPipelines(source) : undefined
  // Azure's distribution resets the global API, so it comes first, and carries OTLP along.
  const stop = connectionString
    ? startAzure({ connectionString, resource, ratio, source, also: otlp })
    : startOtlp({ resource, pipelines: otlp! })
  const tracerProvider = trace.getTracerProvider()
  const { watched, fastify, tedious } = instrumentations(env)
  registerInstrumentations({
    tracerProvider,
    loggerProvider: logs.getLoggerProvider(),
    instrumentations: watched,
  })
  tedious.setTracerProvider(onlyWithin(tracerProvider))
  traceQueries()
  setRunning({
    watch({ metrics, cache }) {
      source.watch(metrics)
      traceCache(cache)
    },
    requestSpans: requestSpans(fastify, createSampling(ratio)),
    traceIdOf,
    follow,
    shutdown: async (limit) => {
      const elapsed = sleep(limit, undefined, { ref: false })
      await Promise.race([stop().catch(() => {}), elapsed])
    },
  })
}

/** Who sends: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what is found here. */
function describeService(): Resource {
  const found = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: project.name,
    [ATTR_SERVICE_VERSION]: project.version,
    [ATTR_SERVICE_INSTANCE_ID]: `${hostname()}:${process.pid}`,
    'host.name': hostname(),
  })
  const detected = detectResources({ detectors: [envDetector] })
  return defaultResource().merge(found).merge(detected)
}

/** The share of traces that are kept: OTEL_TRACES_SAMPLER_ARG, all unless given; config.ts checks it. */
const samplingRatio = ({ OTEL_TRACES_SAMPLER_ARG: text }: NodeJS.ProcessEnv): number =>
  Math.min(1, Math.max(0, Number(text || 1) || 0))
