import { LRUCache } from 'lru-cache'

/** Clients send a handful of different fields; longer ones are not remembered. */
const maxFields = 500
export const longestField = 500

/** `compute`, a pure function of a request field, called once for each value that is met: a hit parses none. */
export function remembered<T extends string>(
  compute: (field?: string) => T,
): (field: string | undefined) => T {
  const results = new LRUCache<string, T>({ max: maxFields })
  const ofNone = compute()
  return (field) => {
    if (field === undefined) return ofNone
    let result = results.get(field)
    if (result === undefined) {
      result = compute(field)
      if (field.length <= longestField) results.set(field, result)
    }
    return result
  }
}
