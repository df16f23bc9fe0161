import { execFile } from 'node:child_process'
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from '@cdktn/hcl2json'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { root } from '../support/process.ts'

/** A resource as Terraform computes it: an object, or several by index or key. Unknown values are `<TYPE/NAME ATTRIBUTE>`. */
// biome-ignore lint/suspicious/noExplicitAny: what a resource has is its type's business
export type Evaluated = Record<string, any>

type Block = Record<string, unknown>
type Resources = Record<string, Record<string, [Block]>>

const folder = join(root, 'terraform')
const reference = /(?<![\w.])(?:data\.)?((?:azurerm|time)_\w+)\.(\w+)/g
const meta = ['count', 'for_each', 'depends_on', 'lifecycle']

/** Whether Terraform itself is there to compute. */
export async function hasTerraform(): Promise<boolean> {
  return run(['version']).then(
    () => true,
    () => false,
  )
}

/**
 * Computes every resource of terraform/ with `variables` by Terraform's own evaluator, without a provider:
 * each resource becomes a local value, and what only Azure knows becomes a text that names it.
 * @throws Terraform's message, for a value that its variable does not accept
 */
export async function evaluate(t: Teardown, variables: Block): Promise<Evaluated> {
  const parsed = await parseFolder()
  const resources = { ...merged(parsed, 'data'), ...merged(parsed, 'resource') } as Resources
  const unknown = attributesOf(JSON.stringify(parsed))
  const locals = Object.assign({}, ...parsed.flatMap((file) => file.locals ?? [])) as Block
  const lines = Object.entries(locals).map(([name, value]) => `${name} = ${toHcl(value)}`)
  const names: string[] = []
  for (const [type, named] of Object.entries(resources)) {
    for (const [name, [body]] of Object.entries(named)) {
      names.push(`${type}__${name}`)
      lines.push(`${type}__${name} = ${instances(body, `${type}/${name}`, unknown)}`)
    }
  }
  const dir = temporaryFolder(t)
  await symlink(join(folder, 'pipelines'), join(dir, 'pipelines'))
  await writeFile(join(dir, 'main.tf'), `locals {\n${lines.join('\n')}\n}\n`)
  await writeFile(join(dir, 'variables.tf.json'), JSON.stringify(declarations(parsed)))
  await writeFile(join(dir, 'given.tfvars.json'), JSON.stringify(variables))
  const all = names.map((name) => `"${name.replace('__', '.')}" = local.${name}`)
  const args = [`-chdir=${dir}`, 'console', '-no-color', '-var-file=given.tfvars.json']
  return JSON.parse(JSON.parse(await run(args, `jsonencode({${all.join(', ')}})\n`)))
}

async function run(args: string[], input = ''): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, CHECKPOINT_DISABLE: '1' }
  const running = promisify(execFile)('terraform', args, {
    env,
    maxBuffer: 2 ** 24,
    timeout: 60_000,
  })
  running.child.stdin?.on('error', () => {}).end(input)
  return (await running).stdout
}

async function parseFolder(): Promise<Block[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
  return Promise.all(files.map(async (n) => parse(n, await readFile(join(folder, n), 'utf8'))))
}

function merged(parsed: Block[], kind: string): Resources {
  const all: Resources = {}
  for (const file of parsed) {
    for (const [type, named] of Object.entries((file[kind] ?? {}) as Resources)) {
      all[type] = { ...all[type], ...named }
    }
  }
  return all
}

/** The variables alone, and none of them hidden: a hidden one would not be printed. */
function declarations(parsed: Block[]): Block {
  const variable: Record<string, [Block]> = Object.assign(
    {},
    ...parsed.map((file) => file.variable),
  )
  for (const [block] of Object.values(variable)) {
    block.type = String(block.type).replace(/^\$\{(.*)\}$/s, '$1')
    delete block.ephemeral
    delete block.sensitive
  }
  return { variable }
}

/** Which attributes are read of each resource, and of its blocks: `TYPE/NAME` -> `["id", "identity[0].principal_id"]`. */
function attributesOf(text: string): Map<string, Set<string>> {
  const read = new Map<string, Set<string>>()
  const pattern = new RegExp(
    `${reference.source}(?:\\[[^\\]]*\\])?\\.(\\w+(?:\\[0\\]\\.\\w+)?)`,
    'g',
  )
  for (const [, type, name, attribute] of text.matchAll(pattern)) {
    const key = `${type}/${name}`
    read.set(key, (read.get(key) ?? new Set(['id'])).add(attribute!))
  }
  return read
}

function instances(body: Block, key: string, unknown: Map<string, Set<string>>): string {
  const full = structuredClone(body)
  for (const attribute of unknown.get(key) ?? ['id']) {
    const [outer = '', inner] = attribute.split('[0].')
    const text = attribute === 'rfc3339' ? '2026-01-31T00:00:00Z' : `<${key} ${attribute}>`
    if (inner === undefined) full[outer] ??= text
    else if (Array.isArray(full[outer])) full[outer][0][inner] ??= text
  }
  for (const name of meta) delete full[name]
  const one = block(full)
  if (body.count !== undefined) return `[for index in range(${toHcl(body.count)}) : ${one}]`
  if (body.for_each === undefined) return one
  const each = one.replace(/\beach\.(key|value)\b/g, 'each_$1')
  return `{ for each_key, each_value in ${toHcl(body.for_each)} : each_key => ${each} }`
}

function block(body: Block): string {
  const dynamic = (body.dynamic ?? {}) as Record<string, [{ for_each: unknown; content: [Block] }]>
  const members = Object.entries(body)
    .filter(([name]) => name !== 'dynamic' && !(name in dynamic))
    .map(([name, value]) => `"${name}" = ${Array.isArray(value) ? list(value) : toHcl(value)}`)
  for (const [name, [{ for_each: each, content }]] of Object.entries(dynamic)) {
    const one = block(content[0]).replace(
      new RegExp(`\\b${name}\\.(key|value)\\b`, 'g'),
      `${name}_$1`,
    )
    const fixed = list((body[name] ?? []) as unknown[])
    members.push(
      `"${name}" = concat(${fixed}, [for ${name}_key, ${name}_value in ${toHcl(each)} : ${one}])`,
    )
  }
  return `{\n${members.join('\n')}\n}`
}

const list = (values: unknown[]) => `[${values.map((value) => toHcl(value)).join(', ')}]`

function toHcl(value: unknown): string {
  if (Array.isArray(value)) return list(value)
  if (typeof value === 'object' && value !== null) return block(value as Block)
  if (typeof value !== 'string') return JSON.stringify(value)
  const local = value.replace(reference, 'local.$1__$2')
  const whole = /^\$\{(.*)\}$/s.exec(local)
  return whole && isOne(local) ? `(${whole[1]})` : template(local)
}

/** Literal parts quoted, the expressions between them as they are. */
function template(text: string): string {
  let quoted = ''
  let at = 0
  while (at < text.length) {
    const begin = text.indexOf('${', at)
    const literal = text.slice(at, begin === -1 ? text.length : begin)
    quoted += JSON.stringify(literal).slice(1, -1)
    if (begin === -1) break
    at = endOf(text, begin)
    quoted += text.slice(begin, at)
  }
  return `"${quoted}"`
}

const isOne = (text: string) => endOf(text, 0) === text.length

/** Where the `${...}` that begins at `begin` ends. */
function endOf(text: string, begin: number): number {
  let depth = 0
  for (let at = begin + 1; at < text.length; at++) {
    if (text[at] === '{') depth++
    if (text[at] === '}' && --depth === 0) return at + 1
  }
  return text.length
}
