import calculateSlot from 'cluster-key-slot'
import type { Cluster, Redis } from 'ioredis'
import type { JournalEntry, Version } from './replica.ts'
import { scripts } from './scripts.ts'
import { type Change, everything, formatChange } from './tags.ts'

/**
 * The prefix of every key of a cache. The hash tag puts all of them into one slot of a Redis Cluster, so
 * that one script may touch them.
 */
export const prefixOf = (hashTag: string) => `{${hashTag}}:`

/** `deleteTouched` stopped at its budget; it is called again at most so often: for a million answers. */
const someLeft = 2
const maxCalls = 200

type Name = keyof typeof scripts
type Command = (...args: (string | number | Buffer)[]) => Promise<unknown>
export type Commands = Record<Name | `${Name}Buffer`, Command>

/** Sends a command, and resolves to its reply or to undefined. */
export type Send = (command: () => Promise<unknown>) => Promise<unknown>

/** Rule 6. Appends the change, removes the mark, and deletes the touched answers, some at a time. */
export async function finishChange(
  send: Send,
  commands: Commands,
  change: Change,
  mark: string | null,
  token: string,
): Promise<boolean> {
  const text = formatChange(change)
  let reply = await send(() => commands.finish(mark ?? '', text, token))
  for (let call = 1; reply === someLeft && call < maxCalls; call += 1) {
    reply = await send(() => commands.deleteTouched(text))
  }
  return reply === 1 || reply === someLeft
}

export function parseVersion(clock: string): Version {
  const [epoch = '', position, token = ''] = clock.split(' ')
  return { epoch, position: Number(position), token }
}

export function parseEntry(text: string): JournalEntry {
  const [position, token = '', change = everything] = text.split(' ')
  return {
    position: Number(position),
    token,
    change: change === everything ? change : (JSON.parse(change) as Change),
  }
}

/** Adds the scripts to the client, and gives them as functions over the clock of `prefix`. */
export function defineScripts(client: Redis | Cluster, prefix: string): Commands {
  const clock = `${prefix}@clock`
  const commands: Record<string, Command> = {}
  for (const [name, lua] of Object.entries(scripts)) {
    const command = `cache:${name}`
    client.defineCommand(command, { numberOfKeys: 1, lua })
    const methods = client as unknown as Record<string, Command>
    commands[name] = (...args) => methods[command]!(clock, ...args)
    commands[`${name}Buffer`] = (...args) => methods[`${command}Buffer`]!(clock, ...args)
  }
  return commands as Commands
}

/** Gives the node that a cluster client sends the cache's slot to; always the same without a cluster. */
export function slotNode(client: Redis | Cluster, prefix: string): () => unknown {
  const slot = calculateSlot(`${prefix}@clock`)
  return () => ('slots' in client ? client.slots[slot]?.[0] : undefined)
}

export function watchConnections(client: Redis | Cluster, onClose: () => void): void {
  client.on('close', onClose)
  if (!('slots' in client)) return
  for (const node of client.nodes()) node.on('close', onClose)
  client.on('+node', (node: Redis) => node.on('close', onClose))
}
