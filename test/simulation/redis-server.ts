import { LuaError } from './lua-library.ts'
import { copyKeyspace, createCommands, type Keyspace, type Reply, textOf } from './redis-data.ts'
import { evaluate } from './redis-scripts.ts'
import type { Process, World } from './world.ts'

/** A command as it travels: by name, or as a script. */
export interface Command {
  name: string
  script?: string
  keys: string[]
  argv: string[]
}

/** A connection, as the server knows it: how to close it, and its place among the others. */
export interface ServerConnection {
  closed: boolean
  close: () => void
}

/** Commands that name no key. */
const keyless = new Set(['TIME', 'INFO', 'PING'])

/** Commands of which every argument is a key. */
const ofKeys = new Set(['DEL', 'UNLINK', 'EXISTS'])

/** Scripts without this flag are refused by a server whose memory is full. */
const allowedWhenFull = /^#!lua .*allow-oom/

/** What may write, for a server that takes no writes: these scripts as a whole, and these commands. */
const mayWrite = /^#!lua /
const writing = /^(SET|DEL|UNLINK|HSET|HDEL|ZADD|ZREM)/i

/**
 * One Redis as its clients see it, with all that can happen to it: a restart that forgets, a restart from
 * an old snapshot, a failover to a replica that lacks the last commands.
 */
export function createRedisServer(world: World) {
  const random = world.randomOf('redis')
  let process: Process = world.createProcess('redis')
  let keyspace: Keyspace = new Map()
  let snapshot: Keyspace = new Map()
  let generation = 1
  let up = true
  let full = false
  let readOnly = false
  const connections = new Set<ServerConnection>()
  const listeners: ((command: Command, reply: Reply) => void)[] = []
  const senders: ((command: Command) => void)[] = []

  const info = () => ({
    server: `# Server\r\nrun_id:${generation}run\r\n`,
    replication: `# Replication\r\nmaster_replid:${generation}repl\r\n`,
  })
  const runCommand = createCommands(
    () => keyspace,
    () => world.dateOf(process),
    info,
  )
  const run = world.chosen ? runTouching : runCommand

  /** Says which keys a command has read, and which it has changed: setting what was there is no change. */
  function runTouching(name: string, given: string[]): Reply {
    const upper = name.toUpperCase()
    if (keyless.has(upper)) return runCommand(name, given)
    const keys = ofKeys.has(upper) ? given : given.slice(0, 1)
    const before = keys.map((key) => textOf(keyspace.get(key)))
    try {
      return runCommand(name, given)
    } finally {
      for (const [index, key] of keys.entries()) {
        world.touch(`redis ${key}`, textOf(keyspace.get(key)) !== before[index])
      }
    }
  }

  /** @returns the reply, or what Redis answers as an error */
  function execute(command: Command): Reply | LuaError {
    try {
      const { name, script, keys, argv } = command
      if (full && script !== undefined && !allowedWhenFull.test(script)) {
        throw new LuaError("OOM command not allowed when used memory > 'maxmemory'.")
      }
      if (readOnly && (script === undefined ? writing.test(name) : mayWrite.test(script))) {
        throw new LuaError('NOREPLICAS Not enough good replicas to write.')
      }
      const reply = script ? evaluate(script, run, keys, argv) : run(name, [...keys, ...argv])
      for (const listener of listeners) listener(command, reply)
      world.reached(name)
      return reply
    } catch (error) {
      if (!(error instanceof LuaError)) throw error
      return error
    }
  }

  function cutAll(): void {
    for (const connection of [...connections]) connection.close()
  }

  /**
   * Another server from here on, with these data. What a proxy had sent to one that stood still it gives up
   * now: else it would be overtaken, on its connection, by what goes to the new one.
   */
  function replace(data: Keyspace): void {
    generation += 1
    keyspace = copyKeyspace(data)
    world.wake(process)
    process = world.createProcess(`redis ${generation}`)
  }

  return {
    get process() {
      return process
    },
    get up() {
      return up
    },
    connections,
    execute,
    /** Called after each command that took effect. */
    onCommand: (listener: (typeof listeners)[number]) => void listeners.push(listener),
    /** Called with each command that a client sends, whether or not it arrives. */
    onSend: (listener: (typeof senders)[number]) => void senders.push(listener),
    sent(command: Command): void {
      for (const listener of senders) listener(command)
    },
    cutAll,
    flush: () => keyspace.clear(),
    /** What a restart or a failover comes back with later. */
    takeSnapshot(): void {
      snapshot = copyKeyspace(keyspace)
    },
    crash(): void {
      up = false
      cutAll()
    },
    restart(from: 'empty' | 'snapshot'): void {
      up = true
      replace(from === 'empty' ? new Map() : snapshot)
    },
    /** Behind a proxy the clients' connections stay open. */
    failover(proxied: boolean): void {
      replace(snapshot)
      if (!proxied) cutAll()
    },
    pause(ms: number): void {
      // A shorter pause within a longer one ends with it.
      process.pausedUntil = Math.max(process.pausedUntil, world.now + ms)
    },
    setFull(on: boolean): void {
      full = on
    },
    /** As with a disk that is full, or with too few replicas. */
    setReadOnly(on: boolean): void {
      readOnly = on
    },
    /** Drops some of the keys that have a TTL, as a `volatile-*` policy may. */
    evict(part: number): void {
      for (const [key, { expires }] of keyspace) {
        if (expires !== Infinity && random.chance(part)) keyspace.delete(key)
      }
    },
    /** Damages one value, as a bug or a hand at the console would. */
    damage(): void {
      const keys = [...keyspace.keys()].filter((key) => !/@(clock|server|quiet)$/.test(key))
      if (keys.length === 0) return
      const key = random.pick(keys)
      const answer = !key.includes('@')
      run(answer ? 'HSET' : 'SET', answer ? [key, 'body', 'damaged'] : [key, 'damaged'])
    },
    keyspace: () => keyspace,
    remaining: (key: string) => run('PTTL', [key]) as number,
  }
}

export type RedisServer = ReturnType<typeof createRedisServer>
