/** Adds up values of one shape, number by number: numbers, lists, objects. What one of them lacks counts as 0. */
export function addUp<T>(values: T[]): T {
  const [first] = values
  if (typeof first === 'number') return (values as number[]).reduce((a, b) => a + b) as T
  const sum: Record<string, unknown> = {}
  for (const key of new Set(values.flatMap((value) => Object.keys(value as object)))) {
    sum[key] = addUp(values.map((value) => (value as Record<string, unknown>)[key] ?? 0))
  }
  return (Array.isArray(first) ? Object.values(sum) : sum) as T
}
