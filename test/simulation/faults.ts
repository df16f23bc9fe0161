import type { Database } from './database.ts'
import type { Instance } from './instance.ts'
import type { Judge } from './judge.ts'
import type { FaultKind, Operation } from './operation.ts'
import type { Link } from './redis-client.ts'
import type { RedisServer } from './redis-server.ts'
import type { World } from './world.ts'

/** The parts of a simulated world. */
export interface Parts {
  world: World
  database: Database
  /** Undefined in a world without Redis, whose plan has no fault of Redis. */
  server: RedisServer | undefined
  judge: Judge
  links: Link[]
  /** An instance that is down is undefined. */
  instances: (Instance | undefined)[]
  /** Starts the instance of that index. */
  start: (index: number) => void
}

type Faults = Partial<Record<FaultKind, (operation: Operation) => void>>

/** What each fault does to the world. */
export function createFaults(parts: Parts): Record<FaultKind, (operation: Operation) => void> {
  const { world, database } = parts
  /** The end of a fault changes as much as its beginning. */
  const later = (ms: number, work: () => void) => {
    world.schedule(ms, null, () => {
      world.touch('everything', true)
      work()
    })
  }
  return {
    ...redisFaults(parts, later),
    ...linkFaults(parts),
    ...instanceFaults(parts, later),
    'the database fails': ({ lasts }) => {
      database.setFailing(0.3)
      later(lasts, () => database.setFailing(0))
    },
    'the database freezes': ({ lasts }) => database.freeze(lasts),
    'commits stall': ({ lasts }) => {
      database.setStall(lasts)
      later(lasts, () => database.setStall(0))
    },
  } satisfies Faults as Record<FaultKind, (operation: Operation) => void>
}

type Later = (ms: number, work: () => void) => void

function redisFaults({ world, server: maybe, judge }: Parts, later: Later) {
  const server = maybe!

  function restart(from: 'empty' | 'snapshot'): void {
    server.restart(from)
    judge.available(world.now)
  }

  return {
    'redis flushed': () => server.flush(),
    'redis restarted empty': ({ lasts }) => {
      server.crash()
      later(lasts, () => restart('empty'))
    },
    'redis restarted from a snapshot': ({ lasts }) => {
      server.takeSnapshot()
      later(lasts / 2, () => server.crash())
      later(lasts, () => restart('snapshot'))
    },
    'redis failed over': ({ lasts }) => {
      server.takeSnapshot()
      later(lasts, () => server.up && server.failover(false))
    },
    'redis failed over behind a proxy': ({ lasts }) => {
      server.takeSnapshot()
      const since = world.now
      later(lasts, () => {
        if (!server.up) return
        server.failover(true)
        judge.failover(since)
      })
    },
    'redis paused': ({ lasts }) => {
      server.pause(lasts)
      judge.available(world.now + lasts)
    },
    'redis full': ({ lasts }) => {
      server.setFull(true)
      later(lasts, () => server.setFull(false))
    },
    'redis takes no writes': ({ lasts }) => {
      server.setReadOnly(true)
      later(lasts, () => {
        server.setReadOnly(false)
        judge.available(world.now)
      })
    },
    'redis evicts': () => server.evict(0.5),
    'a value damaged': () => server.damage(),
    'connections cut': () => server.cutAll(),
  } satisfies Faults
}

function linkFaults({ world, links, instances }: Parts) {
  return {
    'a link stalled': ({ instance, lasts }) => {
      const link = links[instance]!
      link.stalledUntil = Math.max(link.stalledUntil, world.now + lasts)
    },
    'a link refused': ({ instance, lasts }) => {
      links[instance]!.refusedUntil = world.now + lasts
      instances[instance]?.client?.disconnect()
    },
  } satisfies Faults
}

function instanceFaults(parts: Parts, later: Later) {
  const { world, database, server, judge, instances, start } = parts
  return {
    'an instance paused': ({ instance, lasts }) => {
      const process = instances[instance]?.process
      if (process) process.pausedUntil = Math.max(process.pausedUntil, world.now + lasts)
    },
    'an instance crashed': ({ instance: index, lasts }) => {
      const instance = instances[index]
      if (instance === undefined) return
      instance.process.alive = false
      instance.client?.disconnect()
      database.abandon(instance.process)
      judge.forget(instance.process.name)
      instances[index] = undefined
      later(lasts, () => start(index))
    },
    'a clock set': ({ instance, row }) => {
      const ofRedis = row === 1
      const process = ofRedis ? server?.process : instances[instance]?.process
      const by = (instance - 0.5) * 4000
      if (process) process.wallOffset += by
      if (ofRedis) judge.clockSet(by)
    },
  } satisfies Faults
}
