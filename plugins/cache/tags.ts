/** The name of an answer in the cache, and the tags that a row must have to be part of it. */
export interface CacheKey {
  readonly key: string
  readonly tags: readonly string[]
}

/** The tags of one state of one row: of every answer that this state can be part of. */
export type RowTags = readonly string[]

/** The change that may have touched every row. */
export const everything = '*'

/**
 * What a write changed: the tags of each row state before and after it, or everything. `{ key }` changes
 * no row: it removes one answer, which may be made again.
 */
export type Change = readonly RowTags[] | typeof everything | { readonly key: string }

/**
 * Rule 1. The key of a query without its defaults: parameters sorted, repeated values sorted and without
 * duplicates, `RESOURCE:all` for none. Equal queries have equal keys, such as
 * `books:limit=20&sort=-year&type=novel`.
 */
export function canonicalKey(resource: string, query: Record<string, unknown>): string {
  const parts: string[] = []
  for (const name of Object.keys(query).sort()) {
    const value = query[name]
    if (value === undefined) continue
    const values = Array.isArray(value) ? [...new Set(value)].sort() : [value]
    for (const each of values) parts.push(`${name}=${encodeURIComponent(String(each))}`)
  }
  return `${resource}:${parts.join('&') || 'all'}`
}

/** Tags in the one order and form in which they are compared: sorted, each once. */
export const normalTags = (tags: readonly string[]): string[] => [...new Set(tags)].sort()

/**
 * A change in the form that the journal holds.
 * @throws TypeError for a tag or a key that the journal could not hold
 */
export function normalChange(change: Change): Change {
  if (change === everything) return change
  if (isKey(change)) {
    if (!isKeyText(change.key)) throw new TypeError('a key has no spaces in it, and no @ in front')
    return change
  }
  const rows = change.map(normalTags)
  if (!rows.every(isRowTags))
    throw new TypeError('a tag has no spaces, commas, quotes, backslashes or control characters')
  return rows
}

/** Rule 2. Whether a change makes an answer wrong: one row state of it has all of the answer's tags. */
export function touches(change: Change, { key, tags }: CacheKey): boolean {
  if (change === everything) return true
  if (isKey(change)) return change.key === key
  return change.some((row) => tags.every((each) => row.includes(each)))
}

export const isKey = (change: Change): change is { readonly key: string } =>
  typeof change === 'object' && 'key' in change

/** The form in which Redis and the outbox hold a change. */
export const formatChange = (change: Change): string =>
  change === everything ? everything : JSON.stringify(change)

/**
 * Reads a change of the outbox. Rows written by hand may hold anything: what is not a list of lists of
 * tags, nor a key, counts as everything.
 */
export function parseChange(text: string): Change {
  try {
    const parsed: unknown = JSON.parse(text)
    const { key } = parsed as { key?: unknown }
    if (isKeyText(key)) return { key }
    if (!Array.isArray(parsed) || parsed.length === 0 || !parsed.every(isRowTags)) return everything
    return parsed.map(normalTags)
  } catch {
    return everything
  }
}

/** No space, which ends a word of a journal entry; no @, which begins the journal's own keys. */
const isKeyText = (value: unknown): value is string => isText(value, /^[^@\s]\S*$/)

/**
 * No space, which ends a word of a journal entry; no comma, which ends a step of the index; and nothing
 * that JSON escapes, since the scripts search its text for the tag as it is.
 */
const isRowTags = (row: unknown): row is string[] =>
  Array.isArray(row) && row.every((each) => isText(each, /^[^\s,"\\\p{Cc}]+$/u))

/** Half a surrogate pair is no character, and Redis could not read it. */
const isText = (value: unknown, form: RegExp): value is string =>
  typeof value === 'string' && value.isWellFormed() && form.test(value)
