import Negotiator from 'negotiator'
import type { ListFormatName } from '../catalogue/formats.ts'
import { NotAcceptable } from '../plugins/errors.ts'

const byType = {
  'application/json': 'api',
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
} as const
const offered = Object.keys(byType) as (keyof typeof byType)[]

/** The formats of a list that a request can ask for: empty stands for the default, `none` for none of them. */
export type AcceptForm = '' | 'csv' | 'ndjson' | 'none'

/** The normal form of `Accept` (RFC 9110, 12.5.1): every field that asks for the same is the same. */
export function acceptForm(accept: string | undefined): AcceptForm {
  const type = new Negotiator({ headers: { accept: accept || undefined } }).mediaType(offered)
  if (type === undefined) return 'none'
  const format = byType[type as keyof typeof byType]
  return format === 'api' ? '' : format
}

/** @throws NotAcceptable when nothing that is offered will do */
export function formatOf(form: string): Exclude<ListFormatName, 'json'> {
  if (form === 'none') throw new NotAcceptable(`a list is sent as ${offered.join(', ')}`)
  return form === 'csv' || form === 'ndjson' ? form : 'api'
}
