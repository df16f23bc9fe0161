import { shutdownAzureMonitor, useAzureMonitor } from '@azure/monitor-opentelemetry'
import { AzureMonitorMetricExporter } from '@azure/monitor-opentelemetry-exporter'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { Span, SpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { MetricSource } from './metrics.ts'
import { exportInterval, type Pipelines } from './otlp.ts'

/** The service needs none of what Azure's distribution would patch. */
const none = { enabled: false }
const instrumentationOptions = {
  http: none,
  azureSdk: none,
  mongoDb: none,
  mySql: none,
  postgreSql: none,
  redis: none,
  redis4: none,
}

/**
 * Starts Azure's distribution of OpenTelemetry; gives what flushes and stops it. Without its own
 * sampler, which keeps five traces a second, or records each request to drop it later: spans that are
 * not sampled are not made, and those that are say how many they stand for (`itemCount`).
 */
export function startAzure({
  connectionString,
  resource,
  ratio,
  source,
  also,
}: {
  connectionString: string
  resource: Resource
  ratio: number
  source: MetricSource
  also: Pipelines | undefined
}): () => Promise<unknown> {
  process.env.APPLICATION_INSIGHTS_NO_STATSBEAT ??= 'true'
  // Nothing on disk: the file system may be read-only, and an instance keeps no state.
  const exporterOptions = { connectionString, disableOfflineStorage: true }
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
    // Derived from the spans, so wrong as soon as these are sampled; ours count every request.
    enableStandardMetrics: false,
    enablePerformanceCounters: false,
    enableLiveMetrics: false,
    enableTraceBasedSamplingForLogs: false,
    spanProcessors: [standFor(ratio), ...(also?.spanProcessors ?? [])],
    logRecordProcessors: also?.logRecordProcessors ?? [],
    metricReaders: [ownMetrics, ...(also?.metricReaders ?? [])],
  })
  restore()
  return shutdownAzureMonitor
}

/**
 * The distribution takes a sampler of one's choice from the environment only. What is not to be traced
 * has been left out before (sampling.ts).
 */
function useParentSampler(): () => void {
  const name = 'OTEL_TRACES_SAMPLER'
  const before = process.env[name]
  process.env[name] = 'parentbased_always_on'
  return () => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

/** Application Insights multiplies what it gets by this, in percent. */
const sampleRate = 'microsoft.sample_rate'

const standFor = (ratio: number): SpanProcessor => ({
  onStart(span: Span) {
    if (ratio < 1) span.setAttribute(sampleRate, ratio * 100)
  },
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
})

/**
 * Exports the service's own metrics and nothing of the SDK's, for which the distribution has a reader
 * of its own that takes no other source.
 */
class OwnMetricReader extends PeriodicExportingMetricReader {
  producer: MetricProducer | undefined

  override setMetricProducer(): void {
    super.setMetricProducer(this.producer!)
  }
}
