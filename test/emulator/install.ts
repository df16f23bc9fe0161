import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where the Auth emulator's program is once it is installed. */
export const program = join(import.meta.dirname, 'node_modules/firebase-tools/lib/bin/firebase.js')

const limit = 8 * 60_000

// `npm test` runs this first. The emulator is large and only tests need it, so it has an install apart.
if (import.meta.main && !existsSync(program)) {
  console.log('installing the Firebase Auth emulator for the tests, once')
  const { status, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    timeout: limit,
  })
  if (status !== 0) {
    console.error(`${stderr}\nthe emulator could not be installed: its tests are skipped`)
  }
}
