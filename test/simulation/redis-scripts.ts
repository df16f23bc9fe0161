import { translate } from './lua.ts'
import { formatNumber, LuaError, type LuaFunction, LuaTable, type LuaValue } from './lua-library.ts'
import type { Reply, RunCommand } from './redis-data.ts'

const translated = new Map<string, LuaFunction>()

/** A reply as a value of Lua (Redis, "Redis Lua API reference": data type conversion). */
function toLua(reply: Reply): LuaValue {
  if (reply === null) return false
  if (Array.isArray(reply)) return new LuaTable(reply.map(toLua))
  if (typeof reply !== 'object') return reply
  const status = new LuaTable()
  status.set('ok', reply.ok)
  return status
}

function fromLua(value: LuaValue): Reply {
  if (value === undefined || value === false) return null
  if (value === true) return 1
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'string') return value
  if (!(value instanceof LuaTable)) return null
  const ok = value.get('ok')
  if (typeof ok === 'string') return { ok }
  const end = value.list.indexOf(undefined)
  return (end < 0 ? value.list : value.list.slice(0, end)).map(fromLua)
}

function toArgument(value: LuaValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatNumber(value, 17)
  throw new LuaError('ERR Lua redis lib command arguments must be strings or integers')
}

/**
 * Runs a script as EVAL does, with its commands on `run`.
 * @throws LuaError, for a failed command with the name of the script in it, as Redis does
 */
export function evaluate(source: string, run: RunCommand, keys: string[], argv: string[]): Reply {
  let script = translated.get(source)
  if (script === undefined) {
    script = translate(source)
    translated.set(source, script)
  }
  const redis = new LuaTable()
  redis.set('call', (name: string, ...given: LuaValue[]) => [
    toLua(run(name, given.map(toArgument))),
  ])
  try {
    return fromLua(script(new LuaTable(keys), new LuaTable(argv), redis)[0])
  } catch (error) {
    if (!(error instanceof LuaError)) throw error
    const known = /^[A-Z]+ /.test(error.message)
    const text = known ? error.message : `ERR user_script: ${error.message}`
    throw new LuaError(`${text} script: simulated, on @user_script:1.`)
  }
}
