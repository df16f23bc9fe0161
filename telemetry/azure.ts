import type { TokenCredential } from '@azure/identity'
import { shutdownAzureMonitor, useAzureMonitor } from '@azure/monitor-opentelemetry'
import { AzureMonitorMetricExporter } from '@azure/monitor-opentelemetry-exporter'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { Span, SpanProcessor } from '@opentelemetry/sdk-trace-node'
import { azureCredential } from '../db/azure-credential.ts'
import type { MetricSource } from './metrics.ts'
import { exportInterval, type Pipelines } from './otlp.ts'

/** Turns off all of the distribution's instrumentations: instrumentations.ts has ours. */
const disabled = { enabled: false }
const instrumentationOptions = {
  http: disabled,
  azureSdk: disabled,
  mongoDb: disabled,
  mySql: disabled,
  postgreSql: disabled,
  redis: disabled,
  redis4: disabled,
}

/**
 * Starts Azure's distribution of OpenTelemetry and returns the function that flushes and stops it. The
 * distribution's own sampler is not used: it keeps five traces a second, or records every request and
 * drops it later. Here spans of unsampled requests are never created. Sampled spans carry the sample
 * rate, from which Application Insights computes `itemCount`.
 */
export function startAzure({
  connectionString,
  authentication,
  resource,
  ratio,
  source,
  otlp,
}: {
  connectionString: string
  /** APPLICATIONINSIGHTS_AUTHENTICATION_STRING: an identity signs in. Without it the connection string's key does. */
  authentication: string | undefined
  resource: Resource
  ratio: number
  source: MetricSource
  otlp: Pipelines | undefined
}): () => Promise<unknown> {
  process.env.APPLICATION_INSIGHTS_NO_STATSBEAT ??= 'true'
  // No retry files on disk: the file system may be read-only.
  const exporterOptions = {
    connectionString,
    disableOfflineStorage: true,
    ...(authentication ? { credential: identityOf(authentication) } : {}),
  }
  const ownMetrics = new OwnMetricReader({
    exporter: new AzureMonitorMetricExporter(exporterOptions),
    exportIntervalMillis: exportInterval(),
  })
  ownMetrics.producer = source.producer(AggregationTemporality.DELTA, resource)
  const restore = useParentSampler()
  useAzureMonitor({
    azureMonitorExporterOptions: exporterOptions,
    resource,
    instrumentationOptions,
    // Derived from spans, so wrong once these are sampled. Our own metrics count every request.
    enableStandardMetrics: false,
    enablePerformanceCounters: false,
    enableLiveMetrics: false,
    enableTraceBasedSamplingForLogs: false,
    spanProcessors: [markSampleRate(ratio), ...(otlp?.spanProcessors ?? [])],
    logRecordProcessors: otlp?.logRecordProcessors ?? [],
    metricReaders: [ownMetrics, ...(otlp?.metricReaders ?? [])],
  })
  restore()
  return shutdownAzureMonitor
}

/** The identity that `Authorization=AAD;ClientId=...` names, loaded when the first export asks for a token. */
function identityOf(authentication: string): TokenCredential {
  const [, clientId] = /;ClientId=(.+)/.exec(authentication) ?? []
  let credential: Promise<TokenCredential> | undefined
  return {
    async getToken(scopes, options) {
      credential ??= azureCredential(clientId)
      return (await credential).getToken(scopes, options)
    },
  }
}

/**
 * Sets a sampler that records every span with a sampled parent or no parent, and returns the function that
 * restores the variable. The distribution reads a custom sampler only from the environment. The real
 * decision is made before, in sampling.ts.
 */
function useParentSampler(): () => void {
  const name = 'OTEL_TRACES_SAMPLER'
  const previous = process.env[name]
  process.env[name] = 'parentbased_always_on'
  return () => {
    if (previous === undefined) delete process.env[name]
    else process.env[name] = previous
  }
}

/** The span attribute, in percent, by which Application Insights scales counts. */
const sampleRate = 'microsoft.sample_rate'

const markSampleRate = (ratio: number): SpanProcessor => ({
  onStart(span: Span) {
    if (ratio < 1) span.setAttribute(sampleRate, ratio * 100)
  },
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
})

/**
 * Exports only the service's own metrics. The distribution has its own reader for the SDK's metrics,
 * and that reader accepts no other producer.
 */
class OwnMetricReader extends PeriodicExportingMetricReader {
  producer: MetricProducer | undefined

  override setMetricProducer(): void {
    super.setMetricProducer(this.producer!)
  }
}
