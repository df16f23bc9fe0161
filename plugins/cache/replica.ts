import { type CacheKey, type Change, touches } from './tags.ts'

/**
 * A place in the journal of writes. `epoch` is random and names one unbroken history (rule 5);
 * `position` counts its entries; `token` is random for each entry, so that two histories that have
 * diverged are never taken for one another.
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

/** Whether `version` is `other`, or a later version of the same history. */
export const isAtOrAfter = (version: Version, other: Version) =>
  version.epoch === other.epoch &&
  (version.position > other.position ||
    (version.position === other.position && version.token === other.token))

/**
 * An instance's copy of the end of the journal. It tells of any answer whether a write has changed it
 * between two versions.
 */
export function createReplica() {
  let version: Version = { epoch: '', position: 0, token: '' }
  let entries: JournalEntry[] = []

  return {
    get version() {
      return version
    },
    /** Starts over: no answer of before can be judged any more. */
    reset(to: Version) {
      version = to
      entries = []
    },
    append(entry: JournalEntry) {
      entries.push(entry)
      if (entries.length > 2 * journalLength) entries = entries.slice(-journalLength)
      version = { epoch: version.epoch, position: entry.position, token: entry.token }
    },
    /**
     * Whether no write after `since` touches an answer (rules 2 and 3). A `since` ahead of the replica is
     * fine: Redis has judged up to there.
     */
    isUnchangedSince(since: Version, answer: CacheKey): boolean {
      if (since.epoch !== version.epoch) return false
      const missed = version.position - since.position
      if (missed <= 0) return true
      if (missed > entries.length) return false
      return !entries.slice(entries.length - missed).some(({ change }) => touches(change, answer))
    },
  }
}

export type Replica = ReturnType<typeof createReplica>
