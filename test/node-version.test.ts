import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root, run } from './support/process.ts'

t.test(
  'a Node that is too old is one line that says which is wanted and who brings it',
  async (t) => {
    const old = `Object.defineProperty(process.versions, 'node', { value: '20.20.2' })`
    const { exited, stderr, stdout } = run(t, 'compile-cache.cjs', [], {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(old)}`,
    })
    t.equal((await exited).code, 1)
    t.match(
      stderr(),
      /^anime-api wants Node 24 or newer, and this is 20\.20\.2: npm install [^\n]+\n$/,
    )
    t.equal(stdout(), '')
  },
)

t.test(
  'every script that runs TypeScript goes past that check, and it wants what the package does',
  async (t) => {
    const { scripts, engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    for (const [name, command] of Object.entries<string>(scripts)) {
      if (!/^node /.test(command)) continue
      t.match(command, / --require=\.\/compile-cache\.cjs /, name)
    }
    const source = await readFile(join(root, 'compile-cache.cjs'), 'utf8')
    t.equal(engines.node, `>=${/const wanted = (\d+)/.exec(source)?.[1]}`)
  },
)
