import { type Change, everything } from './keys.ts'

interface Node {
  keys: Set<string>
  children: Map<string, Node>
}

const node = (): Node => ({ keys: new Set(), children: new Map() })

/**
 * Keys filed under their sorted dimensions, one level of the tree for each, so that the keys a change
 * touches are found by walking only along its tags: the cost is that of what is found, not of what is
 * held (no scan).
 */
export function dimensionTree() {
  let root = node()

  function add(key: string, dimensions: readonly string[]): void {
    let at = root
    for (const dimension of dimensions) {
      let child = at.children.get(dimension)
      if (child === undefined) {
        child = node()
        at.children.set(dimension, child)
      }
      at = child
    }
    at.keys.add(key)
  }

  function remove(key: string, dimensions: readonly string[]): void {
    const path = [root]
    for (const dimension of dimensions) {
      const child = path.at(-1)!.children.get(dimension)
      if (child === undefined) return
      path.push(child)
    }
    path.at(-1)!.keys.delete(key)
    for (let depth = path.length - 1; depth > 0; depth -= 1) {
      const { keys, children } = path[depth]!
      if (keys.size > 0 || children.size > 0) return
      path[depth - 1]!.children.delete(dimensions[depth - 1]!)
    }
  }

  function touchedBy(change: Change): string[] {
    const found: string[] = []
    if (change === everything) collectAll(root, found)
    else if ('key' in change) found.push(change.key)
    else for (const image of change) collect(root, image, 0, found)
    return found
  }

  function clear(): void {
    root = node()
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
