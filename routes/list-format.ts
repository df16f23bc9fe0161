import Negotiator from 'negotiator'
import { mediaTypes } from '../catalogue/formats.ts'
import { NotAcceptable } from '../plugins/errors.ts'

type OfferedFormat = keyof typeof mediaTypes

const formats = Object.keys(mediaTypes) as OfferedFormat[]
const offered = Object.values(mediaTypes) as string[]

/** A format of a list as a key has it: empty stands for the default, `none` for none that is offered. */
export type AcceptForm = '' | 'csv' | 'ndjson' | 'none'

/** The normal form of `Accept` (RFC 9110, 12.5.1): fields that ask for the same format have the same. */
export function acceptForm(accept: string | undefined): AcceptForm {
  const type = new Negotiator({ headers: { accept: accept || undefined } }).mediaType(offered)
  const format = type === undefined ? 'none' : formats[offered.indexOf(type)]!
  return format === 'api' ? '' : format
}

/**
 * The format of an `AcceptForm`.
 * @throws NotAcceptable for `none`
 */
export function formatOf(form: string): OfferedFormat {
  if (form === 'none') throw new NotAcceptable(`a list is sent as ${offered.join(', ')}`)
  return form === '' ? 'api' : (form as OfferedFormat)
}
