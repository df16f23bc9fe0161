import { channel } from 'node:diagnostics_channel'
import type { LogEvent } from 'kysely'

/** The diagnostics channel on which each query is told of when it has ended, as Kysely's LogEvent. */
export const queryChannel = 'anime-api:query'

const queries = channel(queryChannel)

/** For Kysely's `log` option. Costs nothing to speak of while nobody listens. */
export function logQuery(event: LogEvent): void {
  if (queries.hasSubscribers) queries.publish(event)
}
