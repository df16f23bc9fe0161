import { EventEmitter } from 'node:events'
import type { Redis } from 'ioredis'
import { LuaError } from './lua-library.ts'
import type { Reply } from './redis-data.ts'
import type { Command, RedisServer, ServerConnection } from './redis-server.ts'
import type { Process, World } from './world.ts'

/** How long the client waits before it connects again, and for a silent server (plugins/redis.ts), in ms. */
const reconnectDelay = 250
const socketTimeout = 500

/** The way between an instance and its Redis. */
export interface Link {
  /** Milliseconds that a message travels. */
  latency: () => number
  /** World time of the last reply that came over it. */
  heard: number
  /** World time until which nothing arrives, either way: packets are lost and sent again. */
  stalledUntil: number
  /** World time until which a new connection is refused. */
  refusedUntil: number
}

interface Pending {
  resolve: (reply: unknown) => void
  reject: (error: Error) => void
  buffers: boolean
}

const toBytes = (value: string | number | Buffer) =>
  Buffer.isBuffer(value) ? value.toString('latin1') : Buffer.from(String(value)).toString('latin1')

/** A reply as ioredis gives it: text in UTF-8, or bytes. */
function fromBytes(reply: Reply, buffers: boolean): unknown {
  if (typeof reply === 'string') {
    const bytes = Buffer.from(reply, 'latin1')
    return buffers ? bytes : bytes.toString()
  }
  if (Array.isArray(reply)) return reply.map((each) => fromBytes(each, buffers))
  return typeof reply === 'object' && reply !== null ? reply.ok : reply
}

const closedError = () => new Error('Connection is closed.')

/**
 * The part of an ioredis client that the cache uses, with the options of `plugins/redis.ts`: commands on
 * one connection keep their order, a cut connection rejects what is under way and may have had its effect,
 * and an offline client rejects at once.
 */
export function createRedisClient(
  world: World,
  server: RedisServer,
  process: Process,
  link: Link,
): Redis {
  const emitter = new EventEmitter()
  let connection: Connection | undefined
  const client = Object.assign(emitter, {
    status: 'connecting',
    get: (key: string) => send({ name: 'GET', keys: [key], argv: [] }, false),
    unlink: (key: string) => send({ name: 'UNLINK', keys: [key], argv: [] }, false),
    defineCommand(name: string, { lua }: { lua: string }) {
      const method =
        (buffers: boolean) =>
        (key: string, ...argv: (string | number | Buffer)[]) =>
          send({ name, script: lua, keys: [key], argv: argv.map(toBytes) }, buffers)
      Object.assign(client, { [name]: method(false), [`${name}Buffer`]: method(true) })
    },
    disconnect: () => connection?.close(),
  })

  function send(command: Command, buffers: boolean): Promise<unknown> {
    server.sent(command)
    if (connection === undefined || client.status !== 'ready') {
      return Promise.reject(new Error("Stream isn't writeable and enableOfflineQueue is false"))
    }
    return connection.send(command, buffers)
  }

  function connect(): void {
    client.status = 'connecting'
    const opening = createConnection(world, server, process, link, onClose)
    connection = opening
    opening.opened.then(
      () => {
        if (connection !== opening) return
        client.status = 'ready'
        emitter.emit('ready')
      },
      () => {},
    )
  }

  function onClose(): void {
    client.status = 'reconnecting'
    emitter.emit('close')
    world.schedule(reconnectDelay, process, connect)
  }

  connect()
  return client as unknown as Redis
}

interface Connection {
  /** Resolves when the server has answered the first command. */
  opened: Promise<unknown>
  send: (command: Command, buffers: boolean) => Promise<unknown>
  close: () => void
}

function createConnection(
  world: World,
  server: RedisServer,
  process: Process,
  link: Link,
  onClose: () => void,
): Connection {
  const pending: Pending[] = []
  const side: ServerConnection = { closed: false, close }
  let open = true
  let [arrival, answer] = [0, 0]
  let heard = world.now
  let watching = false
  let lastArrival = Infinity
  /** How many commands were sent, have arrived, and were answered: each after the one before it. */
  let [sent, arrived, replied, answered] = [0, 0, 0, 0]

  /** When a message that is sent now arrives: none overtakes another on its connection. */
  const arrivalAfter = (earlier: number) =>
    Math.max(earlier, world.now + link.latency(), link.stalledUntil + link.latency())

  function close(): void {
    if (!open) return
    open = false
    // What is on its way may arrive still, up to some moment.
    lastArrival = world.now + (server.up ? link.latency() - link.latency() : 0)
    server.connections.delete(side)
    // The client hears of it in its own time, and of none of the replies that are under way.
    world.schedule(link.latency(), process, () => {
      side.closed = true
      for (const { reject } of pending.splice(0)) reject(closedError())
      onClose()
    })
  }

  /** A server that says nothing for so long is given up. */
  function watch(): void {
    if (watching) return
    watching = true
    world.schedule(socketTimeout, process, () => {
      watching = false
      if (!open || pending.length === 0) return
      if (world.now - heard >= socketTimeout) close()
      else watch()
    })
  }

  function send(command: Command, buffers: boolean): Promise<unknown> {
    if (!open && side.closed) return Promise.reject(closedError())
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (pending.length === 0) heard = world.now
    pending.push({ resolve, reject, buffers })
    arrival = arrivalAfter(arrival)
    const target = server.process
    const number = sent
    sent += 1
    const take = () => {
      if (arrived !== number) throw new Error(`command ${number} came before command ${arrived}`)
      arrived += 1
      if (!server.up || world.now > lastArrival) return
      receive(command, server.process === target)
    }
    world.scheduleAt(arrival, target, take, () => arrived === number)
    watch()
    return promise
  }

  /** A proxy answers for a server that is gone. */
  function receive(command: Command, there: boolean): void {
    if (!there && !open) return
    const reply = there ? server.execute(command) : new LuaError('ERR the server is gone')
    if (world.tracing) world.trace('redis', describe(command, reply))
    if (!open) return
    answer = arrivalAfter(answer)
    const number = replied
    replied += 1
    const take = () => {
      if (answered !== number) throw new Error(`reply ${number} came before reply ${answered}`)
      answered += 1
      if (side.closed || !open) return
      heard = world.now
      link.heard = world.now
      const waiting = pending.shift()
      if (waiting === undefined) return
      if (reply instanceof LuaError) waiting.reject(new Error(reply.message))
      else waiting.resolve(fromBytes(reply, waiting.buffers))
    }
    world.scheduleAt(answer, process, take, () => answered === number)
  }

  const refused = !server.up || link.refusedUntil > world.now
  if (!refused) server.connections.add(side)
  const opened = refused
    ? Promise.reject(new Error('ECONNREFUSED'))
    : send({ name: 'INFO', keys: ['server'], argv: [] }, false)
  opened.catch(() => {})
  if (refused) close()
  return { opened, send, close }
}

const describe = ({ name, keys, argv, script }: Command, reply: Reply | LuaError) => {
  const given = (script ? argv : [...keys, ...argv]).map((each) => JSON.stringify(each)).join(' ')
  const replied = reply instanceof LuaError ? reply.message : JSON.stringify(reply)
  return `${name.replace('cache:', '')} ${given} -> ${replied}`
}
