import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { chaos, mutants } from './mutants.ts'

/*
 * Loaded before an instance under test (`--import`). It patches the text of the service's own modules:
 * always with the checker's delays and crashes, and with the mutant that MUTANT names. The product has
 * no seam for this; a patch whose text has moved on stops the instance.
 */

const root = new URL('../../', import.meta.url).href
const { MUTANT, CRASHES = '0', CRASH_AT } = process.env
const patches = [...chaos, ...(MUTANT ? (mutants[MUTANT]?.patches ?? unknown(MUTANT)) : [])]
const crashes = Number(CRASHES)

function unknown(name: string): never {
  throw new Error(`there is no mutant "${name}"`)
}

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const wanted = patches.filter(({ file }) => url === root + file)
    if (wanted.length === 0) return loaded
    let source = readFileSync(new URL(url), 'utf8')
    for (const { file, find, replace } of wanted) {
      if (source.split(find).length !== 2) throw new Error(`"${find}" is not once in ${file}`)
      source = source.replace(find, () => replace)
    }
    return { ...loaded, source }
  },
})

/** A moment at which an instance may be slow, and is killed at CRASH_AT or one time in `1 / CRASHES`. */
async function chaosAt(point: string): Promise<void> {
  const unlucky = point !== 'queried' && Math.random() < crashes
  if (unlucky || point === CRASH_AT) process.kill(process.pid, 'SIGKILL')
  if (Math.random() < 0.5) await sleep(Math.random() * 8)
}

Object.assign(globalThis, { chaos: chaosAt })
