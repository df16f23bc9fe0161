import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/process.ts'

const page = await readFile(join(root, 'docs/policies.md'), 'utf8')
const folder = join(root, 'terraform')
const names = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
const terraform = (await Promise.all(names.map((n) => readFile(join(folder, n), 'utf8')))).join(
  '\n',
)
const variables = new Set([...terraform.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name))

const [rules, guides] = page.slice(page.indexOf('## Rules')).split('## Well-Architected') as [
  string,
  string,
]

/** The rows of all tables, without their heads: what is asked, the verdict, and why. */
const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/\| \| \|$/.test(line))
    .map((line) => line.split(' |').map((cell) => cell.replace(/^\|/, '').trim()))
    .map(([asked = '', verdict = '', why = '']) => ({ asked, verdict, why }))

t.test('each row has one verdict, and one that is not kept has a reason', async (t) => {
  for (const { asked, verdict, why } of [...rowsOf(rules), ...rowsOf(guides)]) {
    t.match(verdict, /^(kept|private|setting|no)$/, asked)
    if (verdict === 'no' || verdict === 'setting') t.ok(why, `${asked} says why`)
    const [, setting] = /`(\w+)/.exec(why) ?? []
    if (verdict === 'setting') t.ok(variables.has(setting), `${asked}: ${setting} is a setting`)
  }
})

t.test('each rule is there once', async (t) => {
  const ids = rowsOf(rules).flatMap(({ asked }) => asked.split(', '))
  for (const id of ids) t.match(id, /^(CKV2?_AZURE_\d+|Azure(\.\w+){2,3})$/, id)
  t.strictSame(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
    'none twice',
  )
  for (const set of ['CKV', 'Azure.']) {
    const { length } = ids.filter((id) => id.startsWith(set))
    t.match(page, new RegExp(`\\| .*\`${set}.*, ${length} of them below`), `${set}: ${length}`)
  }
})

t.test('a command on the page names what Terraform makes', async (t) => {
  for (const [, prefix] of page.matchAll(/\b(\w+)-anime-api-prod\b/g))
    t.match(terraform, `= "${prefix}-\${local.name}"`, prefix!)
})
