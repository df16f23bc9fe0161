import type { Cancel, Runtime } from '../../plugins/cache/runtime.ts'
import { createQueue } from './queue.ts'
import { createRandom, type Random } from './random.ts'

/*
 * The simulated world: a queue of events over simulated time. One event at a time runs, and all promises
 * that it settles have run on before the next: what a Node process does between two turns of its event
 * loop is one step here.
 */

/** A machine's process: it can stop for a while, or for ever, and has a clock of its own. */
export interface Process {
  readonly name: string
  /** It is one of ours, and not a server. */
  readonly isInstance: boolean
  alive: boolean
  /** World time until which it stands still. */
  pausedUntil: number
  /** Its monotonic clock runs so many times as fast as the world's. */
  readonly rate: number
  /** What its wall clock is off by, in milliseconds. */
  wallOffset: number
}

interface Event {
  time: number
  /** When it would have happened, had its owner not been paused. */
  due: number
  order: number
  /** Who takes it: not while it is paused, and never when it is dead. */
  owner: Process | null
  /** On whose behalf: that of the event which scheduled it. */
  actor: string
  work: () => void
  /** What comes before it has happened. By time alone that is always so; a chooser has to respect it. */
  ready: (() => boolean) | undefined
  cancelled: boolean
}

/** What an event has read (false) or changed (true), by name. */
export type Footprint = Map<string, boolean>

/**
 * Chooses one of the actors that can go on, or none to end the history; see `walk.ts`. It is told what has
 * been read and changed since it chose last.
 */
export type Chooser = (actors: string[], touched: Footprint) => string | undefined

/** Milliseconds from now within which what happens counts as happening now, where a chooser chooses. */
const turn = 0.2

/** Milliseconds between two events that a chooser has chosen, so that one of them is the earlier. */
const instant = 0.001

/** One line of a history. */
export interface TraceLine {
  time: number
  who: string
  what: string
}

/** The world's moment 0 by a clock that is right, in milliseconds since the epoch. */
const beginning = 1_764_160_000_000

/** Lets everything run that waits for a promise. */
const drained = () => new Promise<void>((resolve) => setImmediate(resolve))

export function createWorld(seed: number, choose?: Chooser) {
  const queue = createQueue<Event>()
  let now = 0
  let order = 0
  let steps = 0
  let stopped = false
  const lines: TraceLine[] = []
  let tracing = false
  let actor = ''
  let touched: Footprint = new Map()
  /** What waits for a step of somebody. */
  const armed: { step: string; work: () => void }[] = []

  /** Has `owner` do `work` after so many milliseconds of the world. */
  const schedule = (delay: number, owner: Process | null, work: () => void): Cancel =>
    scheduleAt(now + Math.max(0, delay), owner, work)

  /** Has `owner` do `work` at a moment of the world: of two of one moment, first what was scheduled first. */
  function scheduleAt(
    time: number,
    owner: Process | null,
    work: () => void,
    ready?: () => boolean,
  ): Cancel {
    order += 1
    const event = { time, due: time, order, owner, actor, work, ready, cancelled: false }
    queue.push(event)
    return () => {
      event.cancelled = true
    }
  }

  /**
   * Takes the next event of the actor that is chosen among all that could go on now. What an instance
   * does with a reply follows at once: nobody else could see whether it was later.
   */
  function popChosen(choose: Chooser): Event | undefined {
    const heads = new Map<string, Event>()
    for (const event of queue.all) {
      if (event.time > now + turn || event.cancelled || event.owner?.alive === false) continue
      if (event.ready?.() === false) continue
      const head = heads.get(event.actor)
      if (head === undefined || event.order < head.order) heads.set(event.actor, event)
    }
    if (heads.size === 0) return queue.pop()
    let chosen = heads.get(actor)
    if (chosen?.owner?.isInstance !== true) {
      const footprint = touched
      touched = new Map()
      chosen = heads.get(choose([...heads.keys()].sort(), footprint) ?? '')
    }
    if (chosen === undefined) return undefined
    queue.remove(chosen)
    return chosen
  }

  /** An event reads something, or changes it. */
  function touch(name: string, changes: boolean): void {
    if (choose !== undefined) touched.set(name, changes || touched.get(name) === true)
  }

  /** Runs until nothing is left, somebody stops it, or so many steps are done. */
  async function run(maxSteps: number): Promise<void> {
    await goOn(maxSteps)
    choose?.([], touched)
  }

  async function goOn(maxSteps: number): Promise<void> {
    while (!stopped && steps < maxSteps) {
      const event = choose === undefined ? queue.pop() : popChosen(choose)
      if (event === undefined) return
      if (event.cancelled || event.owner?.alive === false) continue
      const { owner } = event
      if (owner !== null && owner.pausedUntil > event.time) {
        // It finds what came meanwhile in the order in which it came.
        event.time = owner.pausedUntil
        queue.push(event)
        continue
      }
      now = choose === undefined ? event.time : Math.max(now, event.time) + instant
      actor = event.actor
      steps += 1
      if (owner?.isInstance) touch(owner.name, true)
      event.work()
      await drained()
    }
  }

  function trace(who: string, what: string): void {
    if (tracing) lines.push({ time: now, who, what })
  }

  /** A process that stands still does so no longer: what waits for it comes now, in its order. */
  function wake(process: Process): void {
    if (process.pausedUntil <= now) return
    process.pausedUntil = now
    const waiting = queue.all.filter(({ owner, due, time }) => owner === process && due < time)
    for (const event of waiting) {
      queue.remove(event)
      event.time = now
      queue.push(event)
    }
  }

  /** Does `work` when somebody next takes the step. */
  const onStep = (step: string, work: () => void) => void armed.push({ step, work })

  /** Somebody takes a step: what waits for it goes on. */
  function reached(step: string): void {
    if (armed.length === 0) return
    for (const waiting of armed.filter((each) => each.step === step)) {
      armed.splice(armed.indexOf(waiting), 1)
      waiting.work()
    }
  }

  const randomOf = (name: string): Random => createRandom(seed ^ hashOf(name))

  return {
    get now() {
      return now
    },
    get steps() {
      return steps
    },
    get tracing() {
      return tracing
    },
    set tracing(on: boolean) {
      tracing = on
    },
    /** Somebody chooses who goes on. */
    chosen: choose !== undefined,
    lines,
    schedule,
    scheduleAt,
    wake,
    run,
    trace,
    onStep,
    reached,
    touch,
    /** A sequence of its own for each name, so that one more event here changes nothing elsewhere. */
    randomOf,
    stop: () => {
      stopped = true
    },
    /** Has what `work` schedules happen on behalf of somebody. */
    as(name: string, work: () => void): void {
      const before = actor
      actor = name
      work()
      actor = before
    },
    createProcess(name: string, isInstance = false): Process {
      const random = randomOf(`clock of ${name}`)
      const rate = random.between(0.999, 1.001)
      const wallOffset = Math.round(random.between(-80, 80))
      return { name, isInstance, alive: true, pausedUntil: 0, rate, wallOffset }
    },
    /** A process's wall clock, in whole milliseconds since the epoch. */
    dateOf: ({ rate, wallOffset }: Process) => Math.floor(beginning + now * rate + wallOffset),
    runtimeOf,
  }

  /** Time, timers and chance as a process has them. */
  function runtimeOf(process: Process): Runtime {
    const random = randomOf(`chance of ${process.name}`)
    let tokens = 0
    const after = (ms: number, work: () => void): Cancel =>
      schedule(ms / process.rate + random.next(), process, work)
    return {
      now: () => now * process.rate,
      date: () => Math.floor(beginning + now * process.rate + process.wallOffset),
      random: random.next,
      token() {
        tokens += 1
        return `${process.name}.${tokens}`
      },
      after,
      every(ms, work) {
        let cancel: Cancel = () => {}
        const next = () => {
          cancel = after(ms, () => {
            next()
            work()
          })
        }
        next()
        return () => cancel()
      },
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const abort = () => {
            cancel()
            reject(signal!.reason)
          }
          const cancel = after(ms, () => {
            signal?.removeEventListener('abort', abort)
            resolve()
          })
          if (signal?.aborted) abort()
          else signal?.addEventListener('abort', abort, { once: true })
        }),
      immediate: (work) => void schedule(random.next() / 10, process, work),
    }
  }
}

export type World = ReturnType<typeof createWorld>

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
