import { type Change, everything, isKey } from './tags.ts'

interface Node {
  keys: Set<string>
  children: Map<string, Node>
}

const createNode = (): Node => ({ keys: new Set(), children: new Map() })

/**
 * Keys by their sorted tags, one level of the tree for each tag. A change finds the keys it touches by
 * descending along its own tags only: it costs what it finds, not what is held.
 */
export function createTagTree() {
  let root = createNode()

  function add(key: string, tags: readonly string[]): void {
    let at = root
    for (const tag of tags) {
      let child = at.children.get(tag)
      if (child === undefined) {
        child = createNode()
        at.children.set(tag, child)
      }
      at = child
    }
    at.keys.add(key)
  }

  function remove(key: string, tags: readonly string[]): void {
    const path = [root]
    for (const tag of tags) {
      const child = path.at(-1)!.children.get(tag)
      if (child === undefined) return
      path.push(child)
    }
    path.at(-1)!.keys.delete(key)
    for (let depth = path.length - 1; depth > 0; depth -= 1) {
      const { keys, children } = path[depth]!
      if (keys.size > 0 || children.size > 0) return
      path[depth - 1]!.children.delete(tags[depth - 1]!)
    }
  }

  function touchedBy(change: Change): string[] {
    const found: string[] = []
    if (change === everything) collectAll(root, found)
    else if (isKey(change)) found.push(change.key)
    else for (const row of change) collect(root, row, 0, found)
    return found
  }

  function clear(): void {
    root = createNode()
  }

  return { add, remove, touchedBy, clear }
}

function collect({ keys, children }: Node, tags: readonly string[], from: number, found: string[]) {
  // One by one: a spread of a hundred thousand overflows the stack.
  for (const key of keys) found.push(key)
  for (let index = from; index < tags.length; index += 1) {
    const child = children.get(tags[index]!)
    if (child !== undefined) collect(child, tags, index + 1, found)
  }
}

function collectAll({ keys, children }: Node, found: string[]) {
  for (const key of keys) found.push(key)
  for (const child of children.values()) collectAll(child, found)
}
