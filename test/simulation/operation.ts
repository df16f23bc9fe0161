/** Steps of a write, in their order: at Redis, and what the database does. */
export const writeSteps = [
  'cache:mark',
  'outbox row',
  'cache:isMarked',
  'commit',
  'cache:finish',
] as const

export const otherSteps = [
  'cache:attach',
  'cache:entriesSince',
  'cache:store',
  'cache:load',
  'query',
  'outbox read',
] as const

/** A step of the protocol, for which an operation may wait. */
export type Step = (typeof writeSteps | typeof otherSteps)[number]

/** Something that is done to the world at a moment (milliseconds from its beginning). */
export interface Operation {
  at: number
  kind: OperationKind
  /** Which instance, where it concerns one. */
  instance: number
  key: string
  row: number
  /** The form in which an answer is asked for: JSON where none is named. */
  form?: 'csv' | undefined
  /** Milliseconds that a fault lasts. */
  lasts: number
  /** It is done when somebody next takes this step, and so many milliseconds later. */
  waitsFor?: Step | undefined
  delay?: number
  /** On whose behalf, where a chooser chooses who goes on. */
  actor?: string
}

export const faultKinds = [
  'redis flushed',
  'redis restarted empty',
  'redis restarted from a snapshot',
  'redis failed over',
  'redis failed over behind a proxy',
  'redis paused',
  'redis full',
  'redis evicts',
  'a value damaged',
  'connections cut',
  'a link stalled',
  'a link refused',
  'an instance paused',
  'an instance crashed',
  'a clock set',
  'the database fails',
  'the database freezes',
  'commits stall',
  'redis takes no writes',
] as const

export type FaultKind = (typeof faultKinds)[number]

export type WorkKind =
  | 'read'
  | 'write'
  | 'a write past the API'
  | 'a write past the API, untold'
  | 'an import'
export type OperationKind = FaultKind | WorkKind

export const isFault = (kind: OperationKind): kind is FaultKind =>
  (faultKinds as readonly string[]).includes(kind)
