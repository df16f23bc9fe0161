import { scryptSync } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { lowerPriority } from '../../db/lower-priority.ts'
import type { Derivation } from './scrypt-threads.ts'

lowerPriority()

parentPort!.on('message', ({ password, salt, length, ln, r, p }: Derivation) => {
  const options = { N: 2 ** ln, r, p, maxmem: 256 * r * 2 ** ln }
  parentPort!.postMessage(scryptSync(password, salt, length, options))
})
