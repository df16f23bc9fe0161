import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

const page = await readFile(join(root, 'docs/deploy.md'), 'utf8')
const folder = join(root, 'terraform')
const names = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
const terraform = (await Promise.all(names.map((n) => readFile(join(folder, n), 'utf8')))).join(
  '\n',
)
const variables = new Set([...terraform.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name))

const policies = page
  .slice(page.indexOf('## Policies'), page.indexOf('## Scaling out'))
  .split('\n')
  .filter((line) => /^\| *(CKV2?_|Azure\.)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, ids = '', verdict = '', why = '']) => ({ ids: ids.split(', '), verdict, why }))

t.test('each policy has one verdict, and one that is not kept has a reason', async (t) => {
  const ids = policies.flatMap((policy) => policy.ids)
  t.ok(ids.length > 100, `${ids.length} rules`)
  t.strictSame(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
    'none twice',
  )
  for (const { ids, verdict, why } of policies) {
    t.match(verdict, /^(kept|private|setting|no)$/, `${ids[0]}`)
    for (const id of ids) t.match(id, /^(CKV2?_AZURE_\d+|Azure\.\w+\.\w+)$/, id)
    if (verdict === 'no' || verdict === 'setting') t.ok(why, `${ids[0]} says why`)
    if (verdict === 'setting') {
      const [, setting] = /`(\w+)/.exec(why) ?? []
      t.ok(variables.has(setting), `${ids[0]}: ${setting} is a setting`)
    }
  }
})

t.test('the page names no setting, script or output that does not exist', async (t) => {
  for (const [, name] of page.matchAll(/`(\w+) = [^`]+`/g)) {
    if (/^[a-z_]+$/.test(name!) && name !== 'mode') t.ok(variables.has(name), `${name}`)
  }
  const outputs = new Set([...terraform.matchAll(/^output "(\w+)"/gm)].map(([, name]) => name))
  for (const [, name] of page.matchAll(/(?:output -raw |\$\(out )(\w+)/g)) {
    t.ok(outputs.has(name!), `${name}`)
  }
  const scripts = new Set(await readdir(join(root, 'deploy')))
  for (const [, name] of page.matchAll(/\bdeploy\/([\w-]+\.\w+)/g))
    t.ok(scripts.has(name!), `${name}`)
})
