import type { Cluster, Redis } from 'ioredis'
import { inTime } from '../in-time.ts'
import { randomToken } from './journal.ts'
import { type Change, everything } from './keys.ts'
import type { JournalEntry, Version } from './replica.ts'
import { scripts } from './scripts.ts'

/** The hash tag that puts every key of the cache into one slot of a Redis Cluster. */
export const prefix = '{animes}:'
export const clockKey = `${prefix}@clock`

/** What `kill` says while it has not removed all, and how often it is told to go on: for half a million. */
const someLeft = 2
const maxSlices = 200

/** A purge by hand may come from far away; nobody waits for it. */
const purgeTimeout = 1000

type Name = keyof typeof scripts
type Commands = Record<Name | `${Name}Buffer`, Command>
type Command = (...args: (string | number | Buffer)[]) => Promise<unknown>

type Tell = (command: () => Promise<unknown>) => Promise<unknown>

/** Rule 6. Appends the change, takes the mark away and deletes the dead answers, some at a time. */
export async function finishBy(tell: Tell, run: Commands, change: Change, mark: string | null) {
  const text = textOf(change)
  let told = await tell(() => run.finish(mark ?? '', text, randomToken()))
  for (let slice = 1; told === someLeft && slice < maxSlices; slice += 1) {
    told = await tell(() => run.kill(text))
  }
  return told === 1 || told === someLeft
}

/**
 * Empties the cache of every instance on a Redis, for a process that has none itself.
 * @throws Error when Redis does not answer
 */
export async function purgeJournal(client: Redis | Cluster): Promise<void> {
  // Without a clock there is no answer that could be served.
  await finishBy(
    (command) => inTime(command(), purgeTimeout),
    defineScripts(client),
    everything,
    null,
  )
}

export const textOf = (change: Change) =>
  change === everything ? everything : JSON.stringify(change)

export function parseVersion(clock: string): Version {
  const [epoch = '', position, token = ''] = clock.split(' ')
  return { epoch, position: Number(position), token }
}

export function parseEntry(text: string) {
  const [position, token = '', change = everything] = text.split(' ')
  return {
    position: Number(position),
    token,
    change: change === everything ? change : (JSON.parse(change) as Change),
  } as JournalEntry
}

/** Adds the scripts to the client, each with the clock as its key, and gives them as functions. */
export function defineScripts(client: Redis | Cluster): Commands {
  const commands: Record<string, Command> = {}
  for (const [name, lua] of Object.entries(scripts)) {
    const command = `cache:${name}`
    client.defineCommand(command, { numberOfKeys: 1, lua })
    const methods = client as unknown as Record<string, Command>
    commands[name] = (...args) => methods[command]!(clockKey, ...args)
    commands[`${name}Buffer`] = (...args) => methods[`${command}Buffer`]!(clockKey, ...args)
  }
  return commands as Commands
}

/** The node that a cluster client sends the cache's slot to; constant without a cluster. */
export function slotOwner(client: Redis | Cluster): unknown {
  return 'slots' in client ? client.slots[clusterSlot]?.[0] : undefined
}

/** The slot of the hash tag: CRC16 of `animes`, modulo 16384 (Redis Cluster specification). */
const clusterSlot = 1400

export function watchConnections(client: Redis | Cluster, onClose: () => void): void {
  client.on('close', onClose)
  if (!('slots' in client)) return
  for (const node of client.nodes()) node.on('close', onClose)
  client.on('+node', (node: Redis) => node.on('close', onClose))
}
