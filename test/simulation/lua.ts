import { LuaError, type LuaFunction, library } from './lua-library.ts'
import { tokensOf } from './lua-tokens.ts'

/*
 * A translator of the cache's Lua scripts into JavaScript: the scripts themselves run in the simulation,
 * as fast as the code around them. It knows the grammar of Lua 5.1 without metatables, coroutines and
 * varargs, and refuses what it does not know. `redis.test.ts` holds it against a real Redis.
 *
 * A byte string of Lua is a JavaScript string of characters below 256, nil is `undefined`, a table a
 * `LuaTable`. Each function returns an array of its results.
 */

/** Binary operators with their left and right binding powers (Lua 5.1 manual, 2.5.6). */
const operators: Record<string, [number, number, string]> = {
  or: [1, 2, ''],
  and: [3, 4, ''],
  '<': [5, 6, 'less'],
  '>': [5, 6, 'greater'],
  '<=': [5, 6, 'lessOrEqual'],
  '>=': [5, 6, 'greaterOrEqual'],
  '~=': [5, 6, 'unequal'],
  '==': [5, 6, 'equal'],
  '..': [10, 9, 'concat'],
  '+': [11, 12, 'add'],
  '-': [11, 12, 'subtract'],
  '*': [13, 14, 'multiply'],
  '/': [13, 14, 'divide'],
  '%': [13, 14, 'modulo'],
}
const unaryPower = 15

/** An expression in JavaScript. `many`: it is an array of values, of which one place takes the first. */
interface Expression {
  code: string
  many?: boolean
  /** Something that can be assigned to. */
  assign?: (value: string) => string
}

const one = ({ code, many }: Expression) => (many ? `(${code})[0]` : code)

/**
 * Translates a script.
 * @returns a function of the globals `KEYS`, `ARGV` and `redis`
 * @throws LuaError for what the translator does not know
 */
export function translate(source: string): LuaFunction {
  const tokens = tokensOf(source.replace(/^#![^\n]*/, ''))
  let at = 0
  let names = 0
  let scope = new Map<string, string>()

  const peek = () => tokens[at]!
  const is = (value: string) => peek().value === value && peek().kind !== 'text'
  function accept(value: string): boolean {
    if (!is(value)) return false
    at += 1
    return true
  }
  function expect(value: string): void {
    if (!accept(value)) throw new LuaError(`Lua: ${value} expected before ${peek().value}`)
  }
  function name(): string {
    const { kind, value } = peek()
    if (kind !== 'name') throw new LuaError(`Lua: a name expected before ${value}`)
    at += 1
    return value
  }
  function declare(local: string): string {
    names += 1
    scope.set(local, `${local}_${names}`)
    return `${local}_${names}`
  }

  function block(): string {
    const outer = scope
    scope = new Map(outer)
    const code: string[] = []
    while (!['end', 'else', 'elseif', 'until'].some(is) && peek().kind !== 'end') {
      const last = is('return')
      code.push(statement())
      accept(';')
      if (last) break
    }
    scope = outer
    return code.join('\n')
  }

  function statement(): string {
    if (accept('local')) return accept('function') ? localFunction() : local()
    if (accept('if')) return conditional()
    if (accept('for')) return loop()
    if (accept('while')) {
      const condition = one(expression())
      expect('do')
      const body = block()
      expect('end')
      return `while (L.truthy(${condition})) {${body}}`
    }
    if (accept('do')) {
      const body = block()
      expect('end')
      return `{${body}}`
    }
    if (accept('break')) return 'break'
    if (accept('return')) {
      const none = ['end', 'else', 'elseif', 'until', ';'].some(is) || peek().kind === 'end'
      return `return ${none ? '[]' : list(expressions())}`
    }
    return assignmentOrCall()
  }

  function local(): string {
    const locals = [name()]
    while (accept(',')) locals.push(name())
    const values = accept('=') ? expressions() : []
    if (locals.length === 1 && values.length === 1) {
      const value = one(values[0]!)
      return `let ${declare(locals[0]!)} = ${value}`
    }
    const from = list(values)
    return `let [${locals.map(declare).join(', ')}] = ${from}`
  }

  function localFunction(): string {
    const declared = declare(name())
    return `let ${declared} = ${body()}`
  }

  function body(): string {
    const outer = scope
    scope = new Map(outer)
    expect('(')
    const parameters: string[] = []
    while (!is(')')) {
      parameters.push(declare(name()))
      if (!accept(',')) break
    }
    expect(')')
    const code = block()
    expect('end')
    scope = outer
    return `(${parameters.join(', ')}) => {${code}\nreturn []}`
  }

  function conditional(): string {
    const condition = one(expression())
    expect('then')
    const code = `if (L.truthy(${condition})) {${block()}}`
    if (accept('elseif')) return `${code} else {${conditional()}}`
    const otherwise = accept('else') ? ` else {${block()}}` : ''
    expect('end')
    return code + otherwise
  }

  function loop(): string {
    const outer = scope
    const loopNames = [name()]
    let head: (variables: string[]) => string
    if (accept('=')) {
      const [from, to, step] = expressions().map(one)
      head = ([variable]) =>
        `for (let ${variable} = L.number(${from}), to = L.number(${to}), step = ${step ?? 1}; step > 0 ? ${variable} <= to : ${variable} >= to; ${variable} += step) {`
    } else {
      while (accept(',')) loopNames.push(name())
      expect('in')
      const values = list(expressions())
      head = (variables) => `for (const [${variables.join(', ')}] of L.iterate(${values})) {`
    }
    expect('do')
    scope = new Map(outer)
    const opening = head(loopNames.map(declare))
    const code = block()
    expect('end')
    scope = outer
    return `${opening}${code}}`
  }

  function assignmentOrCall(): string {
    const targets = [suffixed()]
    while (accept(',')) targets.push(suffixed())
    if (!is('=')) return targets[0]!.code
    expect('=')
    const values = expressions()
    const assign = (target: Expression, value: string) => {
      if (target.assign === undefined) throw new LuaError('Lua: cannot assign')
      return target.assign(value)
    }
    if (targets.length === 1) return assign(targets[0]!, one(values[0]!))
    names += 1
    const temporary = `values_${names}`
    const each = targets.map((target, index) => assign(target, `${temporary}[${index}]`))
    return `const ${temporary} = ${list(values)}; ${each.join('; ')}`
  }

  function expressions(): Expression[] {
    const all = [expression()]
    while (accept(',')) all.push(expression())
    return all
  }

  /** An array of the values: the last expression gives all of its own (Lua 5.1 manual, 2.5). */
  function list(values: Expression[]): string {
    const last = values.at(-1)
    if (!last?.many) return `[${values.map(one).join(', ')}]`
    if (values.length === 1) return last.code
    return `[${values.slice(0, -1).map(one).join(', ')}, ...${last.code}]`
  }

  function expression(power = 0): Expression {
    let left = unary()
    for (;;) {
      const { kind, value } = peek()
      const operator = kind === 'sign' || kind === 'keyword' ? operators[value] : undefined
      if (operator === undefined || operator[0] < power) return left
      at += 1
      const right = one(expression(operator[1]))
      left = { code: binary(value, operator[2], one(left), right) }
    }
  }

  function binary(sign: string, operation: string, left: string, right: string): string {
    if (sign === 'and' || sign === 'or') {
      // The value is used before the right side can overwrite it, so recursion does no harm.
      const value = temporary()
      const [whenTrue, whenFalse] = sign === 'and' ? [right, value] : [value, right]
      return `(L.truthy(${value} = ${left}) ? ${whenTrue} : ${whenFalse})`
    }
    if (sign === '==') return `(${left} === ${right})`
    if (sign === '~=') return `(${left} !== ${right})`
    return `L.${operation}(${left}, ${right})`
  }

  const temporaries: string[] = []
  function temporary(): string {
    const made = `t_${temporaries.length}`
    temporaries.push(made)
    return made
  }

  function unary(): Expression {
    if (accept('not')) return { code: `!L.truthy(${one(expression(unaryPower))})` }
    if (accept('-')) return { code: `(-L.number(${one(expression(unaryPower))}))` }
    if (accept('#')) return { code: `L.length(${one(expression(unaryPower))})` }
    return simple()
  }

  function simple(): Expression {
    const { kind, value } = peek()
    if (kind === 'number') {
      at += 1
      return { code: String(Number(value)) }
    }
    if (kind === 'text') {
      at += 1
      return { code: JSON.stringify(textOf(value)) }
    }
    if (accept('nil')) return { code: 'undefined' }
    if (accept('true')) return { code: 'true' }
    if (accept('false')) return { code: 'false' }
    if (accept('function')) return { code: `(${body()})` }
    if (is('{')) return table()
    return suffixed()
  }

  function table(): Expression {
    expect('{')
    const items: Expression[] = []
    const fields: string[] = []
    while (!is('}')) {
      const field = peek().kind === 'name' && tokens[at + 1]!.value === '='
      if (field) {
        const key = name()
        expect('=')
        fields.push(`[${JSON.stringify(key)}, ${one(expression())}]`)
      } else items.push(expression())
      if (!accept(',') && !accept(';')) break
    }
    expect('}')
    return { code: `L.table(${list(items)}, [${fields.join(', ')}])` }
  }

  function suffixed(): Expression {
    let left = primary()
    for (;;) {
      if (accept('.')) left = member(one(left), JSON.stringify(name()))
      else if (accept('[')) {
        left = member(one(left), one(expression()))
        expect(']')
      } else if (is('(')) {
        expect('(')
        const given = is(')') ? [] : expressions()
        expect(')')
        const spread = given.at(-1)?.many ? `...${list(given)}` : given.map(one).join(', ')
        left = { code: `${one(left)}(${spread})`, many: true }
      } else return left
    }
  }

  const member = (object: string, key: string): Expression => ({
    code: `L.index(${object}, ${key})`,
    assign: (value) => `L.set(${object}, ${key}, ${value})`,
  })

  function primary(): Expression {
    if (accept('(')) {
      const inner = one(expression())
      expect(')')
      return { code: `(${inner})` }
    }
    const used = name()
    const local = scope.get(used)
    if (local !== undefined) return { code: local, assign: (value) => `${local} = ${value}` }
    if (['KEYS', 'ARGV', 'redis'].includes(used)) return { code: used }
    if (!(used in library.globals)) throw new LuaError(`Lua: unknown global ${used}`)
    return { code: `G.${used}` }
  }

  const code = block()
  if (peek().kind !== 'end') throw new LuaError(`Lua: unexpected ${peek().value}`)
  const declared = temporaries.length > 0 ? `let ${temporaries.join(', ')}\n` : ''
  const made = new Function('L', 'G', 'KEYS', 'ARGV', 'redis', `${declared}${code}\nreturn []`)
  return (keys, argv, redis) => made(library, library.globals, keys, argv, redis)
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', 0: '\0' }
const textOf = (quoted: string) =>
  quoted.slice(1, -1).replace(/\\(.)/g, (_, character: string) => escapes[character] ?? character)
