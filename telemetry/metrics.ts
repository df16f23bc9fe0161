import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import { emptyResource, type Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions'
import { bounds, type Histogram } from '../plugins/metrics/durations.ts'
import type { Metrics } from '../plugins/metrics/index.ts'

const scope = { name: 'anime-api' }

/**
 * Converts the service's own counters (plugins/metrics) to OpenTelemetry's when an exporter collects. So
 * a request costs the same with telemetry as without, and all exporters report the same values.
 */
export function createMetricSource() {
  let observed: Metrics | undefined

  /** A producer of totals since the start (cumulative) or since its last collection (delta). */
  function producer(
    temporality: AggregationTemporality,
    resource: Resource = emptyResource(),
  ): MetricProducer {
    const started = now()
    let lastCollected = started
    const delta = temporality === AggregationTemporality.DELTA
    const previous = new Map<string | Histogram, Totals>()

    /** `totals` itself, or for delta what was added since the last collection. */
    function applyTemporality(of: string | Histogram, totals: Totals): Totals {
      if (!delta) return totals
      const last = previous.get(of)
      previous.set(of, totals)
      return last === undefined ? totals : subtract(totals, last)
    }

    return {
      collect: async () => {
        const period = { startTime: delta ? lastCollected : started, endTime: now() }
        lastCollected = period.endTime
        const metrics =
          observed === undefined ? [] : collect(observed, temporality, period, applyTemporality)
        return {
          resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] },
          errors: [],
        }
      },
    }
  }

  return {
    producer,
    observe(metrics: Metrics) {
      observed = metrics
    },
  }
}

export type MetricSource = ReturnType<typeof createMetricSource>

interface Totals {
  count: number
  sum: number
  buckets: number[]
}

type ApplyTemporality = (of: string | Histogram, totals: Totals) => Totals
type Period = Pick<DataPoint<unknown>, 'startTime' | 'endTime'>

function collect(
  metrics: Metrics,
  aggregationTemporality: AggregationTemporality,
  period: Period,
  applyTemporality: ApplyTemporality,
): MetricData[] {
  const { hits, misses, bypasses, invalidations, staleReads, entries, bytes } = metrics.cache()
  const { p50, p99, max, utilization } = metrics.eventLoop()
  const { database, redis } = metrics.up()
  const counter = (name: string, total: number, description: string): MetricData => ({
    descriptor: { name, description, unit: '{answer}', valueType: ValueType.INT },
    aggregationTemporality,
    dataPointType: DataPointType.SUM,
    isMonotonic: true,
    dataPoints: [
      {
        ...period,
        attributes: {},
        value: applyTemporality(name, { count: total, sum: 0, buckets: [] }).count,
      },
    ],
  })
  const gauge = (name: string, value: number, unit: string, description: string): MetricData => ({
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.GAUGE,
    dataPoints: [{ ...period, attributes: {}, value }],
  })
  const cache = 'anime_api.cache'
  const redisUp =
    redis === undefined
      ? []
      : [gauge('anime_api.redis.up', Number(redis), '1', '1 when the cache can reach Redis')]
  return [
    counter(`${cache}.hits`, hits, 'Answers from the cache'),
    counter(`${cache}.misses`, misses, 'Answers that were not in the cache'),
    counter(
      `${cache}.bypasses`,
      bypasses,
      'Answers from the database because Redis was unreachable',
    ),
    counter(`${cache}.invalidations`, invalidations, 'Answers that a write removed from memory'),
    counter(`${cache}.stale_reads`, staleReads, 'Cached answers that the auditor found wrong'),
    gauge(`${cache}.entries`, entries, '{answer}', 'Answers held in memory'),
    gauge(`${cache}.size`, bytes, 'By', 'Memory used by cached answers'),
    gauge('anime_api.database.up', Number(database), '1', '1 when the database is reachable'),
    ...redisUp,
    gauge('nodejs.eventloop.delay.p50', p50 / 1000, 's', 'Of the last second'),
    gauge('nodejs.eventloop.delay.p99', p99 / 1000, 's', 'Of the last second'),
    gauge('nodejs.eventloop.delay.max', max / 1000, 's', 'Of the last second'),
    gauge('nodejs.eventloop.utilization', utilization, '1', 'Of the last second'),
    gauge('process.memory.usage', process.memoryUsage.rss(), 'By', 'Resident memory'),
    requestDurations(
      metrics.durations.histograms,
      aggregationTemporality,
      period,
      applyTemporality,
    ),
  ]
}

/** https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration */
function requestDurations(
  histograms: readonly Histogram[],
  aggregationTemporality: AggregationTemporality,
  period: Period,
  applyTemporality: ApplyTemporality,
): MetricData {
  const dataPoints = histograms
    .map((histogram) => {
      const { count, sum, buckets } = histogram
      return {
        histogram,
        totals: applyTemporality(histogram, { count, sum: sum / 1000, buckets: [...buckets] }),
      }
    })
    .filter(({ totals }) => totals.count > 0)
    .map(({ histogram, totals: { count, sum, buckets } }) => ({
      ...period,
      attributes: attributesOf(histogram),
      value: {
        count,
        sum,
        ...extremes(buckets),
        buckets: { boundaries: [...bounds], counts: buckets },
      },
    }))
  return {
    descriptor: {
      name: METRIC_HTTP_SERVER_REQUEST_DURATION,
      description: 'Duration of HTTP server requests',
      unit: 's',
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality,
    dataPointType: DataPointType.HISTOGRAM,
    dataPoints,
  }
}

function attributesOf({ method, route, status, cache }: Histogram): Attributes {
  return {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_URL_SCHEME]: 'http',
    ...(route === '' ? {} : { [ATTR_HTTP_ROUTE]: route }),
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
    ...(status >= 500 ? { [ATTR_ERROR_TYPE]: String(status) } : {}),
    'anime_api.cache.status': cache,
  }
}

/** The outer bounds of the used buckets, since exact minimum and maximum are not recorded. */
function extremes(buckets: number[]): { min: number; max: number } {
  const first = buckets.findIndex((count) => count > 0)
  const last = buckets.findLastIndex((count) => count > 0)
  return { min: bounds[first - 1] ?? 0, max: bounds[last] ?? bounds.at(-1)! }
}

const subtract = (a: Totals, b: Totals): Totals => ({
  count: a.count - b.count,
  sum: a.sum - b.sum,
  buckets: a.buckets.map((count, index) => count - b.buckets[index]!),
})

function now(): HrTime {
  const milliseconds = Date.now()
  return [Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1e6]
}
