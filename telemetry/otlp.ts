import { metrics } from '@opentelemetry/api'
import { logs } from '@opentelemetry/api-logs'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { Resource } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import {
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
} from '@opentelemetry/sdk-trace-node'
import type { MetricSource } from './metrics.ts'

export type Pipelines = ReturnType<typeof otlpPipelines>

/**
 * Exports traces, metrics and logs by OTLP over HTTP with protobuf, from bounded queues in memory. The
 * exporters read OTEL_EXPORTER_OTLP_*, the queues OTEL_BSP_*, OTEL_BLRP_* and OTEL_METRIC_EXPORT_*.
 */
export function otlpPipelines(source: MetricSource) {
  return {
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
    logRecordProcessors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
    metricReaders: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter(),
        exportIntervalMillis: exportInterval(),
        exportTimeoutMillis: Math.min(exportInterval(), 10_000),
        metricProducers: [source.producer(AggregationTemporality.CUMULATIVE)],
      }),
    ],
  }
}

/** OTEL_METRIC_EXPORT_INTERVAL in milliseconds, one minute by default. */
export const exportInterval = () => Number(process.env.OTEL_METRIC_EXPORT_INTERVAL) || 60_000

/** Registers the pipelines with the OpenTelemetry API; returns the function that flushes and stops them. */
export function startOtlp({
  resource,
  pipelines,
}: {
  resource: Resource
  pipelines: Pipelines
}): () => Promise<unknown> {
  const { spanProcessors, logRecordProcessors, metricReaders } = pipelines
  // sampling.ts has already skipped the unsampled requests.
  const sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() })
  const tracers = new NodeTracerProvider({ resource, sampler, spanProcessors })
  const meters = new MeterProvider({ resource, readers: metricReaders })
  const loggers = new LoggerProvider({ resource, processors: logRecordProcessors })
  tracers.register()
  metrics.setGlobalMeterProvider(meters)
  logs.setGlobalLoggerProvider(loggers)
  return () => Promise.allSettled([tracers.shutdown(), meters.shutdown(), loggers.shutdown()])
}
