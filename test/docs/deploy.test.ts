import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

const pages = ['deploy', 'image', 'scaling'].map((name) => join(root, `docs/${name}.md`))
const text = (await Promise.all(pages.map((path) => readFile(path, 'utf8')))).join('\n')
const folder = join(root, 'terraform')
const names = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
const terraform = (await Promise.all(names.map((n) => readFile(join(folder, n), 'utf8')))).join(
  '\n',
)
const variables = new Set([...terraform.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name))

t.test('the pages name no setting, script or output that does not exist', async (t) => {
  for (const [, name] of text.matchAll(/`(\w+) = [^`]+`/g)) {
    if (/^[a-z_]+$/.test(name!) && name !== 'mode') t.ok(variables.has(name), `${name}`)
  }
  const outputs = new Set([...terraform.matchAll(/^output "(\w+)"/gm)].map(([, name]) => name))
  for (const [, name] of text.matchAll(/(?:output -raw |\$\(out )(\w+)/g)) {
    t.ok(outputs.has(name!), `${name}`)
  }
  const scripts = new Set(await readdir(join(root, 'deploy')))
  for (const [, name] of text.matchAll(/\bdeploy\/([\w-]+\.\w+)/g))
    t.ok(scripts.has(name!), `${name}`)
})
