import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, matchesGlob, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const text = await readFile(join(root, 'Dockerfile'), 'utf8')
const dockerfile = DockerfileParser.parse(text)
const instructions = dockerfile.getInstructions()
const last = (keyword: string) =>
  instructions.findLast((i) => i.getKeyword() === keyword)?.getArgumentsContent() ?? ''

/** What the image takes from the repository, as [source, destination] pairs. */
const copied = dockerfile
  .getCOPYs()
  .filter((copy) => copy.getFlags().every((flag) => flag.getName() !== 'from'))
  .flatMap((copy) => {
    const names = copy.getArguments().map((argument) => argument.getValue())
    const destination = names.pop() ?? '.'
    return names.map((source) => [source, destination] as const)
  })
const isCopied = (path: string) =>
  copied.some(([source]) => path === source || path.startsWith(`${source}/`))

for (const name of ['Dockerfile', 'deploy/firebase/Dockerfile']) {
  t.test(`${name} has nothing that the linter minds`, async (t) => {
    t.strictSame(validate(await readFile(join(root, name), 'utf8')), [])
  })
}

t.test('every stage is the same Node, which a build may pin to a digest', async (t) => {
  const froms = dockerfile.getFROMs()
  const stages = froms.map((from) => from.getBuildStage())
  const images = froms.map((from) => from.getImage()).filter((image) => !stages.includes(image))
  t.strictSame(new Set(images), new Set([`node:\${NODE_TAG}`]))
  t.match(text, /^ARG NODE_TAG=26(\.\d+)*-slim$/m)
})

t.test('the service runs as nobody special, as the process that gets the signals', async (t) => {
  t.match(
    last('USER'),
    /^[1-9]\d*:[1-9]\d*$/,
    'a number, so that a platform can see it is not root',
  )
  t.equal(last('STOPSIGNAL'), 'SIGTERM')
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const start = scripts.start.replace(/^exec /, '')
  t.equal(JSON.parse(last('CMD')).join(' '), start, 'what npm start runs')
  t.ok(last('RUN').includes(`${start} &`), 'and what the compile cache is made by')
  t.match(last('HEALTHCHECK'), /^CMD \["node", "-e", ".*\/health\/ready/)
  t.match(text, /^HEALTHCHECK .*--start-period=120s/m, 'a paused database has the time to resume')
  t.notMatch(last('HEALTHCHECK'), /curl|wget/, 'the health check needs nothing but Node')
})

t.test('production dependencies alone, from the lock file, without install scripts', async (t) => {
  const installs = instructions
    .map((instruction) => instruction.getArgumentsContent() ?? '')
    .filter((text) => /npm (ci|install)/.test(text))
  t.equal(installs.length, 2, 'of the service, and of what bundles it')
  t.match(installs[0], /^npm ci --omit=dev --omit=optional --ignore-scripts/)
  t.match(installs[1], /devDependencies.*esbuild.*npm install --ignore-scripts/s)
  t.notMatch(text, /^(ADD|.*--chown=node)/m, 'the service cannot rewrite itself')
})

t.test('every file that the service imports is in the image', async (t) => {
  const seen = new Set<string>()
  const visit = async (path: string) => {
    if (seen.has(path)) return
    seen.add(path)
    t.ok(isCopied(path), path)
    const source = await readFile(join(root, path), 'utf8')
    for (const [, specifier] of source.matchAll(/(?:from|import|URL)\s*\(?\s*'(\.\.?\/[^']+)'/g)) {
      const next = relative(root, join(root, dirname(path), specifier!))
      if (next.endsWith('.ts')) await visit(next)
    }
  }
  for (const entry of ['server.ts', 'telemetry.ts', 'bin/migrate.ts', 'bin/import.ts'])
    await visit(entry)
})

t.test('the build context has what is copied, and neither tests nor secrets', async (t) => {
  const rules = (await readFile(join(root, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const sent = (path: string) => {
    const above = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))
    return rules.reduce((is, rule) => {
      const pattern = rule.replace(/^!/, '')
      return above.some((part) => pattern === '*' || matchesGlob(part, pattern))
        ? rule.startsWith('!')
        : is
    }, true)
  }
  for (const [source] of copied) {
    t.ok(existsSync(join(root, source)), `${source} exists`)
    t.ok(sent(source), `${source} is sent`)
  }
  for (const path of [
    '.env',
    'db/.env',
    '.git/config',
    'terraform/terraform.tfvars',
    'node_modules/x',
    '.data/anime.db',
    'test/app.test.ts',
  ]) {
    t.notOk(sent(path), `${path} stays out`)
  }
})
