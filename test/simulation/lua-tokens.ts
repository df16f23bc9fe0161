import { LuaError } from './lua-library.ts'

const token =
  /\s+|--[^\n]*|(?<name>[A-Za-z_]\w*)|(?<number>\d+(?:\.\d+)?)|(?<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?<sign>\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/y

const keywords = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

export interface Token {
  kind: 'name' | 'keyword' | 'number' | 'text' | 'sign' | 'end'
  value: string
}

/** @throws LuaError for a sign that the translator does not know */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  token.lastIndex = 0
  while (token.lastIndex < source.length) {
    const at = token.lastIndex
    const groups = token.exec(source)?.groups
    if (groups === undefined) throw new LuaError(`unknown Lua at: ${source.slice(at, at + 40)}`)
    const { name, number, text, sign } = groups
    if (name !== undefined) {
      tokens.push({ kind: keywords.has(name) ? 'keyword' : 'name', value: name })
    } else if (number !== undefined) tokens.push({ kind: 'number', value: number })
    else if (text !== undefined) tokens.push({ kind: 'text', value: text })
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign })
  }
  tokens.push({ kind: 'end', value: 'the end' })
  return tokens
}
