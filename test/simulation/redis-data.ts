import { formatNumber, LuaError } from './lua-library.ts'
import { boundOf, floatOf, SortedSet } from './sorted-set.ts'

/*
 * The data of a simulated Redis: the commands that the cache's scripts use, on byte strings, as Redis 7.0
 * answers them. It has no clock of its own: whoever runs a command says what time it is.
 */

/** A reply: null for nil, a status as an object. */
export type Reply = string | number | null | { ok: string } | Reply[]

type Value = string | Map<string, string> | SortedSet
interface Stored {
  value: Value
  /** Milliseconds since the epoch by the server's clock; Infinity: no TTL. */
  expires: number
}

const wrongType = () =>
  new LuaError('WRONGTYPE Operation against a key holding the wrong kind of value')
const syntaxError = () => new LuaError('ERR syntax error')

function integerOf(text: string | undefined): number {
  if (text === undefined || !/^-?(0|[1-9]\d*)$/.test(text)) {
    throw new LuaError('ERR value is not an integer or out of range')
  }
  return Number(text)
}

/** The part of a list between two ranks, which count from the end where they are negative. */
function sliceOf(list: readonly string[], from: number, to: number): string[] {
  const at = (rank: number) => (rank < 0 ? list.length + rank : rank)
  return list.slice(Math.max(0, at(from)), Math.max(0, at(to) + 1))
}

const copyOf = (value: Value): Value =>
  typeof value === 'string' ? value : value instanceof Map ? new Map(value) : value.copy()

export type Keyspace = Map<string, Stored>

export function copyKeyspace(keyspace: Keyspace): Keyspace {
  const copy: Keyspace = new Map()
  for (const [key, { value, expires }] of keyspace) copy.set(key, { value: copyOf(value), expires })
  return copy
}

/** A value and its end as a text, to compare it. */
export function textOf(stored: Stored | undefined): string {
  if (stored === undefined) return ''
  const { value, expires } = stored
  return JSON.stringify([
    value instanceof SortedSet ? [...value.scores] : value instanceof Map ? [...value] : value,
    String(expires),
  ])
}

/** What the server says of itself, by section of INFO. */
export type Info = Record<string, string>

/**
 * Runs commands on a keyspace.
 * @param now milliseconds since the epoch by the server's clock
 */
export function createCommands(keyspaceOf: () => Keyspace, now: () => number, info: () => Info) {
  function stored(key: string): Stored | undefined {
    const found = keyspaceOf().get(key)
    if (found === undefined || found.expires > now()) return found
    keyspaceOf().delete(key)
    return undefined
  }

  function get<T extends Value>(key: string, is: (value: Value) => value is T): T | undefined {
    const found = stored(key)?.value
    if (found !== undefined && !is(found)) throw wrongType()
    return found
  }
  const isText = (value: Value): value is string => typeof value === 'string'
  const isHash = (value: Value): value is Map<string, string> => value instanceof Map
  const isSet = (value: Value): value is SortedSet => value instanceof SortedSet
  const hash = (key: string) => get(key, isHash)
  const set = (key: string) => get(key, isSet)

  function make<T extends Value>(key: string, found: T | undefined, fresh: () => T): T {
    if (found !== undefined) return found
    const value = fresh()
    keyspaceOf().set(key, { value, expires: Infinity })
    return value
  }

  /** A collection that has become empty is gone. */
  function tidy(key: string, size: number | undefined): void {
    if (size === 0) keyspaceOf().delete(key)
  }

  function remove(keys: string[]): number {
    let count = 0
    for (const key of keys) if (stored(key) && keyspaceOf().delete(key)) count += 1
    return count
  }

  function removeMembers(key: string, members: (all: SortedSet) => string[]): number {
    const all = set(key)
    if (all === undefined) return 0
    const removed = members(all).filter((member) => all.delete(member))
    tidy(key, all.scores.size)
    return removed.length
  }

  function expire(key: string, ms: string | undefined, condition?: string): number {
    const at = now() + integerOf(ms)
    const found = stored(key)
    if (found === undefined) return 0
    const none = found.expires === Infinity
    if (condition?.toUpperCase() === 'NX' && !none) return 0
    // No TTL counts as one that never ends.
    if (condition?.toUpperCase() === 'GT' && (none || at <= found.expires)) return 0
    if (at <= now()) keyspaceOf().delete(key)
    else found.expires = at
    return 1
  }

  function zadd(key: string, rest: string[]): number {
    const greater = rest[0]?.toUpperCase() === 'GT'
    const [scoreText = '', member = ''] = greater ? rest.slice(1) : rest
    const score = floatOf(scoreText)
    const all = make(key, set(key), () => new SortedSet())
    const before = all.scores.get(member)
    if (before !== undefined && (before === score || (greater && before > score))) return 0
    return all.add(member, score) ? 1 : 0
  }

  function zrangebyscore(key: string, from: string, to: string, rest: string[]): Reply {
    const limited = rest.length === 3 && rest[0]!.toUpperCase() === 'LIMIT'
    if (rest.length > 0 && !limited) throw syntaxError()
    const [offset, count] = limited ? [integerOf(rest[1]), integerOf(rest[2])] : [0, -1]
    // Bad bounds are an error even where there is no such key.
    boundOf(from)
    boundOf(to)
    const found = set(key)?.between(from, to) ?? []
    if (offset < 0) return []
    return found.slice(offset, count < 0 ? undefined : offset + count)
  }

  const commands: Record<string, (given: string[]) => Reply> = {
    GET: ([key = '']) => get(key, isText) ?? null,
    SET([key = '', value = '', unit, ms]) {
      if (unit !== undefined && unit.toUpperCase() !== 'PX') throw syntaxError()
      const lifetime = unit === undefined ? Infinity : integerOf(ms)
      if (lifetime <= 0) throw new LuaError("ERR invalid expire time in 'set' command")
      keyspaceOf().set(key, { value, expires: now() + lifetime })
      return { ok: 'OK' }
    },
    DEL: (keys) => remove(keys),
    UNLINK: (keys) => remove(keys),
    EXISTS: (keys) => keys.filter((key) => stored(key)).length,
    TYPE([key = '']) {
      const value = stored(key)?.value
      if (value === undefined) return { ok: 'none' }
      return { ok: isText(value) ? 'string' : isHash(value) ? 'hash' : 'zset' }
    },
    HSET([key = '', ...pairs]) {
      const fields = make(key, hash(key), () => new Map<string, string>())
      let added = 0
      for (let at = 0; at < pairs.length; at += 2) {
        if (!fields.has(pairs[at]!)) added += 1
        fields.set(pairs[at]!, pairs[at + 1]!)
      }
      return added
    },
    HGET: ([key = '', field = '']) => hash(key)?.get(field) ?? null,
    HMGET([key = '', ...fields]) {
      const all = hash(key)
      return fields.map((field) => all?.get(field) ?? null)
    },
    HGETALL: ([key = '']) => [...(hash(key) ?? [])].flat(),
    HDEL([key = '', ...fields]) {
      const all = hash(key)
      const removed = fields.filter((field) => all?.delete(field)).length
      tidy(key, all?.size)
      return removed
    },
    HSTRLEN: ([key = '', field = '']) => hash(key)?.get(field)?.length ?? 0,
    ZADD: ([key = '', ...rest]) => zadd(key, rest),
    ZRANGE([key = '', from, to]) {
      const ranks = [integerOf(from), integerOf(to)] as const
      return sliceOf(set(key)?.sorted ?? [], ...ranks)
    },
    ZRANGEBYSCORE: ([key = '', from = '', to = '', ...rest]) => zrangebyscore(key, from, to, rest),
    ZREM: ([key = '', ...members]) => removeMembers(key, () => members),
    ZREMRANGEBYRANK([key = '', from, to]) {
      const ranks = [integerOf(from), integerOf(to)] as const
      return removeMembers(key, ({ sorted }) => sliceOf(sorted, ...ranks))
    },
    ZREMRANGEBYSCORE([key = '', from = '', to = '']) {
      boundOf(from)
      boundOf(to)
      return removeMembers(key, (all) => all.between(from, to))
    },
    ZSCORE([key = '', member = '']) {
      const score = set(key)?.scores.get(member)
      return score === undefined ? null : formatNumber(score, 17)
    },
    PEXPIRE: ([key = '', ms, condition]) => expire(key, ms, condition),
    PTTL([key = '']) {
      const found = stored(key)
      if (found === undefined) return -2
      return found.expires === Infinity ? -1 : found.expires - now()
    },
    TIME: () => [String(Math.floor(now() / 1000)), String((now() % 1000) * 1000)],
    INFO: ([section = '']) => info()[section.toLowerCase()] ?? '',
    FLUSHALL() {
      keyspaceOf().clear()
      return { ok: 'OK' }
    },
    PING: () => ({ ok: 'PONG' }),
  }

  /** @throws LuaError with what Redis would answer as an error */
  return (name: string, given: string[]): Reply => {
    const command = commands[name.toUpperCase()]
    if (command === undefined) throw new LuaError(`ERR unknown command '${name}'`)
    return command(given)
  }
}

export type RunCommand = ReturnType<typeof createCommands>
