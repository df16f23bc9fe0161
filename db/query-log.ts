import { channel } from 'node:diagnostics_channel'
import type { LogEvent } from 'kysely'

/** Diagnostics channel: one message, Kysely's LogEvent, per finished query. */
export const queryChannel = 'anime-api:query'

const queries = channel(queryChannel)

/** For Kysely's `log` option: publishes the event if the channel has subscribers. */
export function logQuery(event: LogEvent): void {
  if (queries.hasSubscribers) queries.publish(event)
}

/** A statement that was run without Kysely, by a reader thread for example. */
export interface QueryTiming {
  sql: string
  milliseconds: number
}

/** Publishes such statements in the form of Kysely's events. */
export function publishQueries(timings: readonly QueryTiming[]): void {
  for (const { sql, milliseconds } of timings) {
    const query = { sql, parameters: [] } as unknown as LogEvent['query']
    logQuery({ level: 'query', query, queryDurationMillis: milliseconds } as LogEvent)
  }
}
