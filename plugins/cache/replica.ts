import { type CacheKey, type Change, touches } from './keys.ts'

/**
 * A place in the journal of writes. `epoch` is random and names one unbroken history (rule 5);
 * `position` counts its entries; `token` is random for each entry, so that two histories that have
 * parted are never taken for one another.
 */
export interface Version {
  epoch: string
  position: number
  token: string
}

/** One entry of the journal: what a write changed. */
export interface JournalEntry {
  position: number
  token: string
  change: Change
}

/** How many entries are kept to judge answers by; an older answer counts as changed. */
export const journalLength = 4096

/** Whether `version` can be `since`, or a later one of the same history. */
export const follows = (version: Version, since: Version) =>
  version.epoch === since.epoch &&
  (version.position > since.position ||
    (version.position === since.position && version.token === since.token))

/**
 * An instance's copy of the end of the journal. What it holds is enough to say of any answer whether
 * a write has changed it between two versions.
 */
export function createReplica() {
  let version: Version = { epoch: '', position: 0, token: '' }
  let entries: JournalEntry[] = []

  return {
    get version() {
      return version
    },
    /** Starts over: nothing from before can be judged any more. */
    reset(to: Version) {
      version = to
      entries = []
    },
    append(entry: JournalEntry) {
      entries.push(entry)
      if (entries.length > 2 * journalLength) entries = entries.slice(-journalLength)
      version = { epoch: version.epoch, position: entry.position, token: entry.token }
    },
    /** Whether no write after `since` touches an answer (rules 2 and 3). */
    unchangedSince(since: Version, answer: CacheKey): boolean {
      if (since.epoch !== version.epoch) return false
      const missed = version.position - since.position
      if (missed <= 0) return true
      if (missed > entries.length) return false
      return !entries.slice(entries.length - missed).some(({ change }) => touches(change, answer))
    },
  }
}

export type Replica = ReturnType<typeof createReplica>
