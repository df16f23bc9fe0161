const tooLarge = 'it is too large to keep'
const names = { 'redis-unavailable': 'Redis is away', 'too-large': tooLarge, stream: tooLarge }

/** The parameters of a `Cache-Status` field with one member (RFC 9211); null without the field. */
export function parse(field) {
  if (field === null) return null
  const parameters = {}
  for (const [, name, text, token] of field.matchAll(
    /;\s*([a-z]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*)))?/g,
  )) {
    parameters[name] = text?.replaceAll(/\\(.)/g, '$1') ?? token ?? true
  }
  return parameters
}

/**
 * What the cache did, as a person reads it: `kind` for the colour, `label` in a word or two, and `words`.
 * `age` is in seconds.
 */
export function inWords({ status, method, cache, age }) {
  if (status >= 400) return { kind: 'error', label: 'Error', words: '' }
  if (method !== 'GET') {
    return { kind: 'write', label: 'Write', words: 'Done, and the keys it made wrong are gone.' }
  }
  if (cache === null) return { kind: 'none', label: 'Not cached', words: '' }
  if (status === 304) {
    const how = cache.hit ? 'The cache knew it' : 'The database was asked'
    const words = `${how}: what this page holds is still right, so no body was sent.`
    return { kind: 'same', label: 'Not modified', words }
  }
  if (cache.hit) {
    const words = `From the cache, made ${age} s ago. The database was not asked.`
    return { kind: 'hit', label: 'Hit', words }
  }
  return forwarded(cache)
}

function forwarded({ fwd, stored, collapsed, detail }) {
  const reason = detail === undefined ? '' : ` (${names[detail] ?? detail})`
  if (collapsed) {
    const words = 'Another request was asking the same. One query answered both.'
    return { kind: 'collapsed', label: 'Collapsed', words }
  }
  if (fwd === 'bypass') {
    const words = `The cache was left out${reason}. The database was asked.`
    return { kind: 'bypass', label: 'Bypass', words }
  }
  if (stored) {
    const words = 'The database was asked. The answer is kept for whoever asks next.'
    return { kind: 'miss', label: 'Miss, stored', words }
  }
  const words = `The database was asked. The answer was not kept${reason}.`
  return { kind: 'miss', label: 'Miss, not stored', words }
}
