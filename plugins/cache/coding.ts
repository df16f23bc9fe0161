import type { Coding } from './entry.ts'
import { longestField, remembered } from './remembered.ts'

/** What we can send, the best first. */
const codings: Coding[] = ['zstd', 'br', 'gzip', 'identity']

/**
 * The content coding that an `Accept-Encoding` field likes best, and of those that it likes the same
 * zstd, br, gzip, in this order (RFC 9110, 12.5.3). `*` stands for gzip, which every client knows: many
 * send it that cannot read zstd. One that accepts nothing we have gets identity.
 */
export function negotiate(field: string | undefined): Coding {
  return field !== undefined && field.length > longestField ? 'identity' : chosen(field)
}

const chosen = remembered((field = '') => best(weights(field)))

function weights(field: string): Map<string, number> {
  const listed = new Map<string, number>()
  for (const part of field.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim())
    const quality = parameters.find((text) => text.startsWith('q='))
    const weight = quality === undefined ? 1 : Number(quality.slice(2))
    if (weight >= 0 && weight <= 1) listed.set(name === 'x-gzip' ? 'gzip' : name, weight)
  }
  return listed
}

function best(listed: Map<string, number>): Coding {
  let chosen: Coding = 'identity'
  // Identity needs no mention, and one that is not mentioned is the last choice.
  let highest = listed.get('identity') ?? 0
  for (const coding of codings) {
    const weight = listed.get(coding) ?? (coding === 'gzip' ? (listed.get('*') ?? 0) : 0)
    if (weight > highest || (weight === highest && weight > 0 && chosen === 'identity')) {
      chosen = coding
      highest = weight
    }
  }
  return chosen
}
