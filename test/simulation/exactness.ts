import { type Change, touches } from '../../plugins/cache/tags.ts'
import { waits } from '../../plugins/cache/waits.ts'
import { tagsOfKey } from './instance.ts'

/** An answer that a client got: which instance, when it took the request, and when it answered. */
export interface Read {
  instance: string
  key: string
  form: string | undefined
  arrived: number
  answered: number
  body: string
  status: string
}

/** A copy that an instance holds: from when on an entry would touch it, and since when it is known. */
interface Copy {
  from: number
  known: number
}

/** The other half of the promise: no answer is made anew without a reason. */
export function createExactness() {
  const entries: { time: number; change: Change }[] = []
  /** By instance, and by form and key. */
  const copies = new Map<string, Map<string, Copy>>()

  /** @returns what is wrong with a read that `judged` says is to be judged */
  function judge(read: Read, judged: boolean): string | undefined {
    const held = copies.get(read.instance) ?? new Map<string, Copy>()
    copies.set(read.instance, held)
    const { key, form, status, arrived, answered } = read
    const name = `${form} ${key}`
    const copy = held.get(name)
    const touched = (from: number) =>
      entries.some(
        ({ time, change }) =>
          time >= from && time <= answered && touches(change, { key, tags: tagsOfKey(key) }),
      )
    const from = Math.max(copy?.from ?? 0, arrived)
    if (/hit|stored/.test(status)) held.set(name, { from, known: answered })
    else held.delete(name)
    if (!judged) return undefined
    if (/bypass/.test(status)) return 'past a cache that nothing kept from being used'
    if (!/fwd=miss/.test(status)) return undefined
    if (copy && copy.known <= arrived && !touched(copy.from)) {
      return 'made anew though nothing had touched it'
    }
    const stored = !/fwd=miss$/.test(status)
    if (stored || touched(arrived - waits.lease)) return undefined
    return 'and did not store it though nothing touched it'
  }

  return {
    judge,
    /** The journal has an entry more. */
    entry: (time: number, change: Change) => void entries.push({ time, change }),
    /** An instance has nothing left of what it held. */
    forget: (instance: string) => void copies.delete(instance),
  }
}
