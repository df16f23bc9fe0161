import { fileURLToPath } from 'node:url'

const compileCache = new URL('../compile-cache.cjs', import.meta.url)

/**
 * Node's arguments for a thread of ours. Of what the process preloads (telemetry) only this: a thread starts in 30
 * ms instead of 100, and takes 30 MiB less.
 */
export const threadArguments = [`--require=${fileURLToPath(compileCache)}`]
