import { setTimeout as sleep } from 'node:timers/promises'
import type { commit, finish } from '../../plugins/cache/write.ts'
import { mutants } from './mutants.ts'
import { replaceExports } from './replace-exports.ts'
import { type Wrapper, wrapJournal, wrapRoute } from './wrappers.ts'

/*
 * Loaded before an instance under test (`--import`). It replaces exports of the service's own modules:
 * always by ones that are slow or crash at the steps of a write and a read, and by those of the mutant
 * that MUTANT names. The product has no seam for this. A wrapper whose export is gone stops the instance.
 */

const { MUTANT, CRASHES = '0', CRASH_AT } = process.env
const crashes = Number(CRASHES)

/** A moment at which an instance may be slow, and is killed at CRASH_AT or with probability CRASHES. */
async function chaos(step: string): Promise<void> {
  const crash = step !== 'queried' && Math.random() < crashes
  if (crash || step === CRASH_AT) process.kill(process.pid, 'SIGKILL')
  if (Math.random() < 0.5) await sleep(Math.random() * 8)
}

/** The steps at which an instance is slow or dies. They break no rule. */
const steps: Wrapper[] = [
  wrapRoute(({ read }) => ({
    async read(...query) {
      const answer = await read(...query)
      await chaos('queried')
      return answer
    },
  })),
  wrapJournal(({ mark }) => ({
    async mark(change) {
      await chaos('before the mark')
      const placed = await mark(change)
      await chaos('marked')
      return placed
    },
  })),
  {
    module: 'plugins/cache/write.ts',
    name: 'commit',
    wrap:
      (original: typeof commit): typeof commit =>
      async (...write) => {
        const committed = await original(...write)
        await chaos('committed')
        return committed
      },
  },
  {
    module: 'plugins/cache/write.ts',
    name: 'finish',
    wrap:
      (original: typeof finish): typeof finish =>
      (store, ...write) => {
        const removeByMark = async (mark: string) => {
          await chaos('finished')
          await store.outbox.removeByMark(mark)
        }
        return original({ outbox: { ...store.outbox, removeByMark } }, ...write)
      },
  },
]

function wrappersOf(mutant: string): Wrapper[] {
  const found = mutants[mutant]
  if (found === undefined) throw new Error(`there is no mutant "${mutant}"`)
  return found.wrappers
}

replaceExports([...(MUTANT ? wrappersOf(MUTANT) : []), ...steps])
