import { scryptSync } from 'node:crypto'
import { constants, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { Derivation } from './scrypt-threads.ts'

try {
  // On Linux a priority is a thread's: requests are answered before passwords are hashed.
  if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)
} catch {
  // A sandbox may forbid it; then hashing competes as an equal.
}

parentPort!.on('message', ({ password, salt, length, ln, r, p }: Derivation) => {
  const options = { N: 2 ** ln, r, p, maxmem: 256 * r * 2 ** ln }
  parentPort!.postMessage(scryptSync(password, salt, length, options))
})
