/** What Redis answers with `ERR` and a message, or a script's own error. */
export class LuaError extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: a value of Lua has no type before it runs.
export type LuaValue = any
export type LuaFunction = (...given: LuaValue[]) => LuaValue[]

/** A table of Lua: the values of 1, 2, 3 ... in `list`, the others in `fields`. */
export class LuaTable {
  list: LuaValue[]
  fields: Map<LuaValue, LuaValue> | undefined

  constructor(list: LuaValue[] = []) {
    this.list = list
  }

  get(key: LuaValue): LuaValue {
    if (typeof key === 'number' && key >= 1 && key <= this.list.length) return this.list[key - 1]
    return this.fields?.get(key)
  }

  set(key: LuaValue, value: LuaValue): void {
    if (typeof key === 'number' && key === this.list.length + 1 && value !== undefined) {
      this.list.push(value)
    } else if (typeof key === 'number' && key >= 1 && key <= this.list.length) {
      this.list[key - 1] = value
      // A border: what stands behind a nil at the end is not there.
      while (this.list.length > 0 && this.list.at(-1) === undefined) this.list.pop()
    } else {
      this.fields ??= new Map()
      this.fields.set(key, value)
    }
  }
}

/** As C's `%.14g`, by which Lua 5.1 makes text of a number. */
export function formatNumber(number: number, digits = 14): string {
  if (Number.isInteger(number) && Math.abs(number) < 10 ** digits) return String(number)
  if (!Number.isFinite(number)) return number > 0 ? 'inf' : number < 0 ? '-inf' : 'nan'
  const [mantissa = '', exponent] = number.toExponential(digits - 1).split('e')
  const power = Number(exponent)
  if (power < -4 || power >= digits) {
    const sign = power < 0 ? '-' : '+'
    return `${trimmed(mantissa)}e${sign}${String(Math.abs(power)).padStart(2, '0')}`
  }
  return trimmed(number.toFixed(digits - 1 - power))
}

const trimmed = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text)

const decimal = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i

function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && decimal.test(value) ? Number(value) : undefined
}

function number(value: LuaValue): number {
  const made = toNumber(value)
  if (made === undefined) throw new LuaError(`attempt to perform arithmetic on a ${typeOf(value)}`)
  return made
}

function text(value: LuaValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatNumber(value)
  throw new LuaError(`attempt to concatenate a ${typeOf(value)} value`)
}

const typeOf = (value: LuaValue): string =>
  value === undefined
    ? 'nil'
    : value instanceof LuaTable
      ? 'table'
      : value === jsonNull
        ? 'userdata'
        : typeof value

/** Below, at or above 0, as the left is to the right. */
function order(left: LuaValue, right: LuaValue): number {
  const [a, b] = [typeof left, typeof right]
  if (a !== b || (a !== 'number' && a !== 'string')) {
    throw new LuaError(`attempt to compare ${typeOf(left)} with ${typeOf(right)}`)
  }
  return left < right ? -1 : left > right ? 1 : 0
}

const jsonNull = Symbol('cjson.null')

/** Text in bytes, a `\u` escape as the bytes of its character, as cjson does. */
function jsonBytes(json: string): string {
  if (!json.includes('\\u')) return json
  return json.replace(/(\\\\)|((?:\\u[0-9a-fA-F]{4})+)/g, (all, backslash, escaped) => {
    if (backslash !== undefined) return all
    const characters = JSON.parse(`"${escaped}"`) as string
    if (!characters.isWellFormed()) throw new LuaError('invalid unicode escape code')
    return [...characters]
      .map((one) => (one < '\u0080' ? JSON.stringify(one).slice(1, -1) : toBytes(one)))
      .join('')
  })
}

const toBytes = (characters: string) => Buffer.from(characters).toString('latin1')

function fromJson(value: unknown): LuaValue {
  if (value === null) return jsonNull
  if (Array.isArray(value)) return new LuaTable(value.map(fromJson))
  if (typeof value !== 'object') return value
  const table = new LuaTable()
  for (const [key, each] of Object.entries(value)) table.set(key, fromJson(each))
  return table
}

function jsonDecode(json: LuaValue): LuaValue[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(jsonBytes(text(json)))
  } catch (error) {
    throw new LuaError(`Expected value but found invalid token: ${error}`)
  }
  return [fromJson(parsed)]
}

const patterns = new Map<string, RegExp>()

/** The patterns that the scripts use mean the same as regular expressions, but for the `%`. */
function patternOf(pattern: string): RegExp {
  let made = patterns.get(pattern)
  if (made === undefined) {
    const classes: Record<string, string> = {
      '%S': '[^\\t-\\r ]',
      '%d': '[0-9]',
      '%w': '[0-9A-Za-z]',
    }
    const source = pattern.replace(/%./g, (found) => {
      const known = classes[found]
      if (known === undefined) throw new LuaError(`unknown pattern ${pattern}`)
      return known
    })
    if (/[-[?]/.test(pattern)) throw new LuaError(`unknown pattern ${pattern}`)
    made = new RegExp(source, 's')
    patterns.set(pattern, made)
  }
  return made
}

function match(subject: LuaValue, pattern: string): LuaValue[] {
  const found = patternOf(pattern).exec(text(subject))
  if (found === null) return [undefined]
  return found.length === 1 ? [found[0]] : found.slice(1)
}

function sub(subject: LuaValue, from: number, to = -1): LuaValue[] {
  const whole = text(subject)
  const start = from < 0 ? Math.max(0, whole.length + from) : Math.max(0, from - 1)
  return [whole.slice(start, to < 0 ? whole.length + to + 1 : to)]
}

function find(subject: LuaValue, wanted: string, from: number, plain: boolean): LuaValue[] {
  if (!plain) throw new LuaError('string.find is known for plain text only')
  const at = text(subject).indexOf(wanted, from - 1)
  return at < 0 ? [undefined] : [at + 1, at + wanted.length]
}

function* ipairs(table: LuaTable) {
  for (let at = 0; at < table.list.length && table.list[at] !== undefined; at += 1) {
    yield [at + 1, table.list[at]]
  }
}

const tableOf = (members: Record<string, LuaFunction>) => {
  const table = new LuaTable()
  for (const [name, member] of Object.entries(members)) table.set(name, member)
  return table
}

/** What translated scripts call: the operators of Lua, and its globals. */
export const library = {
  number,
  truthy: (value: LuaValue) => value !== undefined && value !== false,
  add: (a: LuaValue, b: LuaValue) => number(a) + number(b),
  subtract: (a: LuaValue, b: LuaValue) => number(a) - number(b),
  multiply: (a: LuaValue, b: LuaValue) => number(a) * number(b),
  divide: (a: LuaValue, b: LuaValue) => number(a) / number(b),
  modulo: (a: LuaValue, b: LuaValue) => number(a) - Math.floor(number(a) / number(b)) * number(b),
  concat: (a: LuaValue, b: LuaValue) => text(a) + text(b),
  less: (a: LuaValue, b: LuaValue) => order(a, b) < 0,
  greater: (a: LuaValue, b: LuaValue) => order(a, b) > 0,
  lessOrEqual: (a: LuaValue, b: LuaValue) => order(a, b) <= 0,
  greaterOrEqual: (a: LuaValue, b: LuaValue) => order(a, b) >= 0,
  length(value: LuaValue): number {
    if (typeof value === 'string') return value.length
    if (value instanceof LuaTable) return value.list.length
    throw new LuaError(`attempt to get length of a ${typeOf(value)} value`)
  },
  index(object: LuaValue, key: LuaValue): LuaValue {
    if (object instanceof LuaTable) return object.get(key)
    // A string has the functions of `string` as its methods, and no other member.
    if (typeof object === 'string') return undefined
    throw new LuaError(`attempt to index a ${typeOf(object)} value`)
  },
  set(object: LuaValue, key: LuaValue, value: LuaValue): void {
    if (!(object instanceof LuaTable)) throw new LuaError(`attempt to index a ${typeOf(object)}`)
    object.set(key, value)
  },
  table(list: LuaValue[], fields: [string, LuaValue][]): LuaTable {
    const table = new LuaTable(list)
    for (const [key, value] of fields) table.set(key, value)
    return table
  },
  iterate: ([iterator]: LuaValue[]) => iterator as Iterable<LuaValue[]>,
  globals: {
    string: tableOf({ sub, match, find: find as LuaFunction }),
    math: tableOf({
      floor: (value) => [Math.floor(number(value))],
      min: (...values) => [Math.min(...values.map(number))],
      max: (...values) => [Math.max(...values.map(number))],
    }),
    table: tableOf({
      insert(table: LuaTable, ...rest) {
        if (rest.length === 1) table.list.push(rest[0])
        else table.list.splice(rest[0] - 1, 0, rest[1])
        return []
      },
    }),
    cjson: tableOf({ decode: jsonDecode }),
    ipairs: (table: LuaTable) => [ipairs(table)],
    unpack: (table: LuaTable, from = 1, to = table.list.length) => [
      ...table.list.slice(from - 1, to),
    ],
    tonumber: (value: LuaValue) => [toNumber(value)],
    tostring: (value: LuaValue) => [
      typeof value === 'number' ? formatNumber(value) : String(value),
    ],
    type: (value: LuaValue) => [typeOf(value)],
    pcall(call: LuaFunction, ...given: LuaValue[]): LuaValue[] {
      try {
        return [true, ...call(...given)]
      } catch (error) {
        if (!(error instanceof LuaError)) throw error
        return [false, error.message]
      }
    },
  } as Record<string, LuaValue>,
}
