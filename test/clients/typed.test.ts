import { execFile } from 'node:child_process'
import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../support/app.ts'
import { databaseReady, root, startServer } from '../support/process.ts'

const run = promisify(execFile)
const admin = { ADMIN_EMAIL: 'admin@example.org', ADMIN_PASSWORD: 'correct-horse-battery' }

t.test('a client made from the document compiles, and runs the README’s flow', async (t) => {
  const { url } = await startServer(t, admin)
  await databaseReady(url)
  const folder = temporaryFolder(t)
  const here = (name: string) => join(import.meta.dirname, name)
  const there = (name: string) => join(folder, name)
  const document = await (await fetch(`${url}/openapi.json`)).text()
  writeFileSync(there('openapi.json'), document)
  const { stdout: types } = await run(
    process.execPath,
    [here('generate-types.ts'), there('openapi.json')],
    { maxBuffer: 10_000_000 },
  )
  writeFileSync(there('types.ts'), types)
  copyFileSync(here('flow.ts'), there('flow.ts'))
  writeFileSync(there('package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), there('node_modules'))
  const options = [
    ['--strict', '--noEmit', '--skipLibCheck', '--noUncheckedIndexedAccess'],
    ['--exactOptionalPropertyTypes', '--allowImportingTsExtensions'],
    ['--module', 'nodenext', '--target', 'es2024', '--types', 'node'],
  ].flat()
  const compiled = await run(join(root, 'node_modules/.bin/tsc'), [...options, 'flow.ts'], {
    cwd: folder,
  }).catch((error) => error)
  t.equal(compiled.stdout, '', 'tsc has nothing to say')
  const flow = await run(
    process.execPath,
    [there('flow.ts'), url, admin.ADMIN_EMAIL, admin.ADMIN_PASSWORD],
    { cwd: folder },
  )
  const said = flow.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.strictSame(said, [
    { titles: 5, best: 'number', total: true },
    { role: 'user', refused: 403, code: 'FORBIDDEN' },
    { score: 8.27, late: 412 },
    { found: true, removed: 204, held: true },
  ])
})
