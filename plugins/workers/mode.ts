import { availableParallelism } from 'node:os'

/** How many processes answer requests: `WORKERS`, and with `auto` one for each core that this process may use. */
export const workerCount = (wanted: string): number =>
  wanted === 'auto' ? availableParallelism() : Number(wanted)

/** Whether this process starts the workers and answers no request itself. Loads `node:cluster` only with workers. */
export async function isPrimary(wanted: string | undefined): Promise<boolean> {
  if (!wanted || !(workerCount(wanted) > 1)) return false
  const { default: cluster } = await import('node:cluster')
  return cluster.isPrimary
}
