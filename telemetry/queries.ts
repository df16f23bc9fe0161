import { subscribe } from 'node:diagnostics_channel'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  ATTR_DB_COLLECTION_NAME,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_QUERY_TEXT,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
} from '@opentelemetry/semantic-conventions'
import type { LogEvent } from 'kysely'
import { queryChannel } from '../db/query-log.ts'

/**
 * Creates a span for each finished SQLite query of a sampled request. Spans of SQL Server's queries come
 * from the driver's instrumentation. The query text has placeholders for values, so it shows no data.
 * https://opentelemetry.io/docs/specs/semconv/database/database-spans/
 */
export function traceQueries(): void {
  // Not at module load: a tracer from before the exporters were set up does nothing.
  const tracer = trace.getTracer('anime-api')
  subscribe(queryChannel, (message) => {
    if (!trace.getActiveSpan()?.isRecording()) return
    const event = message as LogEvent
    const { sql } = event.query
    const [, operation = 'query', table] =
      /^\s*(\w+)(?:.*?\b(?:from|into|update)\s+"?(\w+))?/is.exec(sql) ?? []
    const ended = Date.now()
    const span = tracer.startSpan([operation.toUpperCase(), table].filter(Boolean).join(' '), {
      kind: SpanKind.CLIENT,
      startTime: ended - event.queryDurationMillis,
      attributes: {
        [ATTR_DB_SYSTEM_NAME]: 'sqlite',
        [ATTR_DB_OPERATION_NAME]: operation.toUpperCase(),
        [ATTR_DB_COLLECTION_NAME]: table,
        [ATTR_DB_QUERY_TEXT]: sql,
      },
    })
    if (event.level === 'error') {
      const { name, message: text } = event.error as Error
      span.setAttribute(ATTR_ERROR_TYPE, name)
      span.setStatus({ code: SpanStatusCode.ERROR, message: text })
    }
    span.end(ended)
  })
}
