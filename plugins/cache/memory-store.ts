import { LRUCache } from 'lru-cache'
import { type Entry, sizeOf } from './entry.ts'
import { createTagTree } from './tag-tree.ts'
import type { Change } from './tags.ts'

/** An instance's own copies, least recently used first out, at most `maxBytes` of memory. */
export function createMemoryStore(maxBytes: number) {
  const tree = createTagTree()
  const entries = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
    dispose: (entry, key) => tree.remove(key, entry.tags),
    noDisposeOnSet: true,
  })

  /** False: there is no room for it. */
  function set(entry: Entry): boolean {
    entries.set(entry.key, entry)
    const held = entries.has(entry.key)
    if (held) tree.add(entry.key, entry.tags)
    return held
  }

  return {
    get: (key: string) => entries.get(key),
    /** As `get`, without making it the most recently used. */
    peek: (key: string) => entries.peek(key),
    set,
    delete: (key: string) => entries.delete(key),
    /** Measures an entry again after an encoding made it larger. */
    resize(entry: Entry): void {
      if (entries.peek(entry.key) !== entry) return
      // A value set in its own place is not measured again.
      entries.delete(entry.key)
      set(entry)
    },
    /** Deletes what a change touches; gives how many entries that were. */
    deleteTouched(change: Change): number {
      let deleted = 0
      for (const key of tree.touchedBy(change)) if (entries.delete(key)) deleted += 1
      return deleted
    },
    clear(): void {
      entries.clear()
      tree.clear()
    },
    values: () => entries.values(),
    get size() {
      return entries.size
    },
    get bytes() {
      return entries.calculatedSize
    },
  }
}

export type MemoryStore = ReturnType<typeof createMemoryStore>
