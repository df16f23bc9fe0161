import { setTimeout as sleep } from 'node:timers/promises'
import type { Teardown } from '../support/app.ts'
import { databaseReady, type Server, startServer } from '../support/process.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { judge } from './history.ts'
import { mutants } from './mutants.ts'
import { catalogue, environment, type Subject } from './subject.ts'
import { createWorkload, type Instance, type Observed } from './workload.ts'

export interface CheckOptions {
  seconds: number
  instances?: number
  faults?: boolean
  mutant?: string | undefined
  /** The application; the service itself unless given. */
  subject?: Subject
  /** Stop at the first violation found (looked for every few seconds). */
  untilCaught?: boolean
  onProgress?: (line: string) => void
}

export interface CheckResult {
  reads: number
  writes: number
  deferred: number
  unknown: number
  failed: number
  hitRatio: number
  statuses: Record<string, number>
  faults: Record<string, number>
  violations: string[]
}

/**
 * Runs several instances of the service on one database and one Redis under random reads, writes and
 * faults, records what every client saw, and judges it.
 */
export async function check(t: Teardown, options: CheckOptions): Promise<CheckResult> {
  const { seconds, instances: count = 3, faults: faulty = true, onProgress = () => {} } = options
  const { subject = catalogue } = options
  const redis = await startRedis(t, ['--maxmemory', '64mb', '--maxmemory-policy', 'volatile-lru'])
  const env = await settings(t, redis, options)
  const servers: Server[] = []
  const instances: Instance[] = []
  for (let index = 0; index < count; index += 1) {
    const server = await startServer(t, env, undefined, subject.script)
    servers.push(server)
    instances.push({ name: `instance ${index}`, url: server.url, alive: true })
  }
  await Promise.all(instances.map(({ url }) => databaseReady(url)))
  const workload = createWorkload(instances, subject)
  await workload.meet(1)
  for (let row = 0; row < 25; row += 1) await workload.write()

  const end = performance.now() + seconds * 1000
  let caught = false
  const running = () => performance.now() < end && !caught
  const loop = async (step: () => Promise<void>, pause: number) => {
    while (running()) {
      await step()
      if (pause > 0) await sleep(Math.random() * pause)
    }
  }
  const done: Record<string, number> = {}
  const only = options.mutant === undefined ? undefined : mutants[options.mutant]?.faults
  const work = [
    ...Array.from({ length: 10 }, () => loop(workload.read, 4)),
    ...Array.from({ length: 3 }, () => loop(workload.write, 300)),
  ]
  if (faulty)
    work.push(injectFaults(t, { redis, servers, instances, env, running, done, only, subject }))
  const watching = watch(() => {
    const { reads, writes } = workload.observed()
    onProgress(`${reads.length} reads, ${writes} writes`)
    caught ||= options.untilCaught === true && judged(workload.observed()).length > 0
  }, running)
  await Promise.all([...work, watching])
  const observed = workload.observed()
  const hits = (observed.statuses.hit ?? 0) / Math.max(1, observed.reads.length)
  return {
    reads: observed.reads.length,
    writes: observed.writes,
    deferred: observed.deferred,
    unknown: observed.unknown,
    failed: observed.failed,
    hitRatio: hits,
    statuses: observed.statuses,
    faults: done,
    violations: judged(observed),
  }
}

const judged = ({ states, reads }: Observed) => judge(states, reads)

async function watch(check: () => void, running: () => boolean): Promise<void> {
  while (running()) {
    for (let tick = 0; tick < 30 && running(); tick += 1) await sleep(100)
    check()
  }
}

/** The settings of an instance on a new database. */
async function settings(
  t: Teardown,
  redis: TestRedis,
  { subject = catalogue, mutant }: CheckOptions,
) {
  return {
    ...environment,
    DATABASE_URL: await subject.prepare(t),
    REDIS_URL: redis.url,
    MUTANT: mutant ?? '',
    NODE_OPTIONS: `--import=${new URL('preload.ts', import.meta.url).href}`,
    NODE_COMPILE_CACHE: '',
  }
}

interface Field {
  only: string[] | undefined
  subject: Subject
  redis: TestRedis
  servers: Server[]
  instances: Instance[]
  env: NodeJS.ProcessEnv
  running: () => boolean
  done: Record<string, number>
}

/** When what was done to the service, for the reader of a violation. */
export const timeline: string[] = []

/** One random fault after another, with time between them for the service to recover. */
async function injectFaults(t: Teardown, field: Field): Promise<void> {
  const { redis, running, done, only, subject } = field
  const faults: Record<string, () => Promise<unknown>> = {
    'redis killed and restarted empty': async () => {
      await redis.kill()
      await sleep(Math.random() * 1500)
      await redis.start()
    },
    'redis paused': async () => {
      redis.pause()
      await sleep(50 + Math.random() * 4000)
      redis.resume()
    },
    'redis flushed': () => redis.client.flushall(),
    'redis flushed right after a write': async () => {
      // Before every instance has read of it.
      const clock = () => redis.client.get(`${subject.prefix}@clock`)
      const before = await clock()
      const end = performance.now() + 5000
      while (running() && performance.now() < end && (await clock()) === before);
      await redis.client.flushall()
    },
    'redis slow': () => redis.client.call('CLIENT', 'PAUSE', Math.round(60 + Math.random() * 200)),
    'connections cut': () => redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    'a value corrupted': async () => {
      const keys = await redis.client.keys(`${subject.prefix}[^@]*`)
      const key = keys[Math.floor(Math.random() * keys.length)]
      if (key) await redis.client.hset(key, 'body', 'damaged')
    },
    'the index lost': async () => {
      const keys = await redis.client.keys(`${subject.prefix}@[ck]:*`)
      if (keys.length > 0) await redis.client.del(...keys)
    },
    'an instance killed': () => restart(t, field),
  }
  const names = Object.keys(faults).filter((name) => only?.includes(name) ?? true)
  if (names.length === 0) return
  while (running()) {
    for (let tick = 0; tick < 20 + Math.random() * 60 && running(); tick += 1) await sleep(100)
    if (!running()) return
    const name = names[Math.floor(Math.random() * names.length)]!
    timeline.push(`${performance.now().toFixed(0)} ${name}`)
    await faults[name]!()
    timeline.push(`${performance.now().toFixed(0)} ${name}: over`)
    done[name] = (done[name] ?? 0) + 1
  }
}

/** Kills an instance; the one that takes its place often dies by itself in the midst of a write. */
async function restart(t: Teardown, field: Field): Promise<void> {
  const { servers, env, running } = field
  const index = Math.floor(Math.random() * servers.length)
  servers[index]!.child.kill('SIGKILL')
  await replace(t, { ...field, env: { ...env, CRASHES: '0.02' } }, index)
  const suicidal = servers[index]!
  const replaced = suicidal.exited.then(async () => {
    if (running() && servers[index] === suicidal) await replace(t, field, index)
  })
  // One that is still starting when the time is up is ended with the rest.
  replaced.catch((error) => {
    if (running()) throw error
  })
}

/** Starts an instance in the place of one that has ended or is about to. */
async function replace(t: Teardown, { servers, instances, env, subject }: Field, index: number) {
  const instance = instances[index]!
  instance.alive = false
  await servers[index]!.exited
  const server = await startServer(t, env, undefined, subject.script)
  servers[index] = server
  await databaseReady(server.url)
  instance.url = server.url
  instance.alive = true
}
