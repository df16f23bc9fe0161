import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DockerfileParser } from 'dockerfile-ast'
import t from 'tap'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { freePort } from '../support/free-port.ts'
import { freshDatabase, withoutMssql } from '../support/mssql.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startCollector } from '../telemetry/collectors.ts'

/*
 * The image's run-time layout without Docker: what the Dockerfile copies, a production install and the
 * compile cache beside it, a read-only tree, another user, and one folder that may be written.
 */

const root = fileURLToPath(new URL('../../', import.meta.url))
const dockerfile = DockerfileParser.parse(await readFile(join(root, 'Dockerfile'), 'utf8'))
const [command = '', ...args] = JSON.parse(
  dockerfile.getCMDs().at(-1)?.getArgumentsContent() ?? '[]',
) as string[]
const run = (start: string) =>
  dockerfile
    .getInstructions()
    .map((instruction) => instruction.getArgumentsContent() ?? '')
    .find((text) => text.startsWith(start))!
const install = run('npm ci ')
const pack = run('node --experimental-import-meta-resolve deploy/pack.ts')
const compile = run('export DATABASE_URL=')

const isRoot = process.getuid?.() === 0
/** "nobody": a user that owns none of the files and has no home. */
const nobody = 65534

// Installing is most of it, and slow where the packages are not cached.
t.setTimeout(300_000)

const folder = await mkdtemp(join(tmpdir(), 'layout-'))
const app = join(folder, 'app')
t.teardown(async () => {
  await setWritable(app, true)
  await rm(folder, { recursive: true, force: true })
})

t.test('the image’s layout runs for a user who may write one folder', async (t) => {
  t.setTimeout(300_000)
  const dataFolder = join(folder, 'data')
  let service: ChildProcess | undefined
  t.teardown(() => service?.kill('SIGKILL'))

  await mkdir(app)
  await mkdir(dataFolder)
  await copyAsTheImageDoes(app)
  await promisify(execFile)('sh', ['-ec', install], {
    cwd: app,
    timeout: 180_000,
    env: { ...process.env, npm_config_prefer_offline: 'true' },
  })
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
  for (const name of ['esbuild', '@esbuild']) {
    const target = join(app, 'deploy/node_modules', name)
    await cp(join(root, 'node_modules', name), target, { recursive: true })
  }
  await promisify(execFile)('sh', ['-ec', pack], { cwd: app, env: { PATH } })
  const bundled = await readdir(join(app, 'node_modules/fastify'))
  t.strictSame(
    bundled.filter((name) => /\.m?js$/.test(name)),
    ['bundle.mjs'],
  )
  const cache = join(app, 'node_modules/.cache')
  await mkdir(cache)
  if (isRoot) await Promise.all([dataFolder, cache].map((path) => chown(path, nobody, nobody)))
  await chmod(folder, 0o755)
  const who = isRoot ? { uid: nobody, gid: nobody } : {}
  const port = await freePort()
  const address = { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port) }
  await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', 'sh', '-ec', compile], {
    cwd: app,
    timeout: 100_000,
    env: { PATH, ...address },
    ...who,
  })
  const [compiled, ...others] = await readdir(join(cache, 'compiled'))
  t.match(compiled, new RegExp(`^${process.version}-.*-${who.uid ?? process.getuid?.()}$`))
  t.strictSame(others, [], 'one compile cache: the one of this Node and this user')
  await setWritable(app, false)
  const touch = `require('node:fs').writeFileSync(${JSON.stringify(join(app, 'x'))}, '')`
  await t.rejects(
    promisify(execFile)(process.execPath, ['-e', touch], who),
    /EACCES|EROFS/,
    'the user cannot write beside the code',
  )

  const output: string[] = []
  t.equal(command, 'node')
  // Past the test runner's own hook in every Node process, which writes where this user may not.
  service = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    cwd: app,
    env: {
      PATH: process.env.PATH,
      ...address,
      DATABASE_URL: `sqlite:${join(dataFolder, 'anime.db')}`,
      JWT_SECRET: 'layout-layout-layout-layout-layout',
    },
    ...who,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(service, 'exit')
  service.stdout!.on('data', (chunk) => output.push(String(chunk)))
  service.stderr!.on('data', (chunk) => output.push(String(chunk)))

  const base = `http://127.0.0.1:${port}`
  const said = () => output.join('').slice(-2000)
  t.equal(await firstOk(`${base}/health/ready`, service), 200, `ready\n${said()}`)
  const list = await fetch(`${base}/v1/animes?limit=1`)
  t.equal(list.status, 200, 'what is ready answers at once')
  t.match(await list.json(), { data: [{ title: String }] })
  for (const path of ['/', '/favicon.ico', '/openapi.json', '/docs', '/monitor', '/metrics']) {
    const answer = await fetch(base + path)
    await answer.arrayBuffer()
    t.equal(answer.status, 200, path)
  }

  const asked = Date.now()
  service.kill('SIGTERM')
  const late = setTimeout(() => service!.kill('SIGKILL'), 10_000)
  t.strictSame(await exit, [0, null], `a clean exit\n${said()}`)
  clearTimeout(late)
  t.ok(Date.now() - asked < 10_000, 'within 10 s')
})

/** The service in the image's tree, as the image runs it, watched by a collector of its spans. */
async function startWatched(t: Teardown, env: NodeJS.ProcessEnv) {
  const collector = await startCollector(t)
  const port = await freePort()
  const service = spawn(process.execPath, args, {
    cwd: app,
    env: {
      PATH: process.env.PATH,
      PORT: `${port}`,
      JWT_SECRET: 'layout-layout-layout-layout-layout',
      ...collector.env,
      NODE_OPTIONS: '',
      ...env,
    },
    stdio: 'inherit',
  })
  t.teardown(() => service.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}`
  // SQL Server's tables are made first.
  const ready = () =>
    fetch(`${url}/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    )
  await until('the service is ready', ready, 120_000)
  return { ...collector, url }
}

t.test('bundled, telemetry sees Fastify, Redis, outgoing requests and the log', async (t) => {
  const redis = await startRedis(t)
  const refuses = createServer((_request, response) => {
    response.end(JSON.stringify({ error: { message: 'INVALID_LOGIN_CREDENTIALS' } }))
  })
  t.teardown(() => refuses.close())
  await once(refuses.listen(0, '127.0.0.1'), 'listening')
  const { port } = refuses.address() as AddressInfo
  const { url, spans, logs } = await startWatched(t, {
    DATABASE_URL: `sqlite:${join(temporaryFolder(t), 'anime.db')}`,
    REDIS_URL: redis.url,
    FIREBASE_PROJECT_ID: 'demo-anime',
    FIREBASE_AUTH_EMULATOR_HOST: `127.0.0.1:${port}`,
  })
  const signIn = await fetch(`${url}/v1/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'me@example.org', password: 'a long pass phrase' }),
  })
  t.equal(signIn.status, 401)
  await until('a hit', async () => {
    const { headers } = await fetch(`${url}/v1/types`)
    return headers.get('cache-status')?.includes('; hit')
  })
  const server = (route: string) => spans.find((s) => s.kind === 2 && s.name.endsWith(route))
  const hit = await until('the span of a read', () => server('/v1/types'))
  t.equal(hit.attributes['http.route'], '/v1/types')
  await until('a span of Redis below a read', () =>
    spans.find((s) => s.attributes['db.system.name'] === 'redis' && s.parent !== ''),
  )
  await until('a span of the outgoing request', () =>
    spans.find((s) => s.kind === 3 && s.attributes['server.port'] === port),
  )
  await until('a line of the log, with its trace', () =>
    logs.find(({ body, traceId }) => body === 'request' && /[1-9a-f]/.test(traceId)),
  )
})

t.test('bundled, telemetry sees SQL Server', { skip: withoutMssql }, async (t) => {
  const { url, spans } = await startWatched(t, { DATABASE_URL: await freshDatabase(t) })
  t.equal((await fetch(`${url}/v1/animes?limit=1`)).status, 200)
  await until('a span of a query', () =>
    spans.find(
      (s) =>
        s.kind === 3 &&
        /^(mssql|microsoft\.sql_server)$/.test(
          `${s.attributes['db.system.name'] ?? s.attributes['db.system']}`,
        ),
    ),
  )
})

/** Every COPY that takes something from the repository, whichever stage it is in. */
async function copyAsTheImageDoes(app: string): Promise<void> {
  for (const copy of dockerfile.getCOPYs()) {
    if (copy.getFlags().some((flag) => flag.getName() === 'from')) continue
    const names = copy.getArguments().map((argument) => argument.getValue())
    const destination = names.pop() ?? '.'
    for (const name of names) {
      const target = destination.endsWith('/') ? join(destination, basename(name)) : destination
      await cp(join(root, name), join(app, target), { recursive: true })
    }
  }
}

async function setWritable(path: string, writable: boolean): Promise<void> {
  await promisify(execFile)('chmod', ['-R', writable ? 'u+w' : 'a-w,a+rX', path])
  const entries = await readdir(path).catch(() => [])
  if (entries.length === 0) throw new Error(`${path} is empty`)
}

/** 200 as soon as `url` answers that, its last status after 30 s, or 0 when the service is gone. */
async function firstOk(url: string, service: ChildProcess): Promise<number> {
  let status = 0
  for (const end = Date.now() + 30_000; Date.now() < end && service.exitCode === null; ) {
    try {
      const answer = await fetch(url)
      await answer.arrayBuffer()
      status = answer.status
      if (status === 200) return status
    } catch {
      // Not listening yet.
    }
    await wait(50)
  }
  return status
}
