import { channel } from 'node:diagnostics_channel'
import type { LogEvent } from 'kysely'

/** The diagnostics channel on which each query is told of when it has ended, as Kysely's LogEvent. */
export const queryChannel = 'anime-api:query'

const queries = channel(queryChannel)

/** For Kysely's `log` option. Costs nothing to speak of while nobody listens. */
export function logQuery(event: LogEvent): void {
  if (queries.hasSubscribers) queries.publish(event)
}

/** A statement that another thread, or a driver of ours, has run. */
export interface QueryTiming {
  sql: string
  milliseconds: number
}

/** Tells of them as of Kysely's queries. */
export function publishQueries(timings: readonly QueryTiming[]): void {
  for (const { sql, milliseconds } of timings) {
    const query = { sql, parameters: [] } as unknown as LogEvent['query']
    logQuery({ level: 'query', query, queryDurationMillis: milliseconds } as LogEvent)
  }
}
