/**
 * How long the protocol waits, in milliseconds. Why each is as long as it is, and what the simulation finds
 * when it is shorter, is in docs/simulation.md.
 */
export const waits = {
  /** How long a mark stands if its write never ends. */
  lease: 10_000,
  /** The store barrier of rule 5: nothing is stored for so long after the beginning of an epoch. */
  barrier: 1000,
  /**
   * Between reconnecting and use, after a loss: other instances may need as long to reach Redis again, and
   * until then their writes are in the outbox alone.
   */
  settle: 1000,
  /**
   * From the beginning of an outage until a write goes on without a mark. By then every other instance must
   * have noticed, or have missed so little of Redis that the write was marked: see `trust`.
   */
  unmarked: 2000,
  /** How often the server's identity is asked. */
  identify: 500,
  /**
   * An instance that has had no answer for so long, because it stood still itself, may have slept through
   * an outage, and through a write that went on without a mark. So it counts as one that has lost Redis.
   */
  trust: 1100,
  /** How often a lost Redis is tried again, and how often a write tries again to place its mark. */
  retry: 250,
  retryMark: 25,
}
