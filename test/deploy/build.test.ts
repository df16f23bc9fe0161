import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DockerfileParser } from 'dockerfile-ast'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { databaseReady, root } from '../support/process.ts'
import { until } from '../support/until.ts'

/*
 * The Dockerfile built and its image run, by buildah: as root, without a Docker engine. Where Debian's
 * buildah or the base image is not there, layout.test.ts alone stands for it.
 */

const dockerfile = DockerfileParser.parse(await readFile(join(root, 'Dockerfile'), 'utf8'))
const [command = '', ...args] = JSON.parse(
  dockerfile.getCMDs().at(-1)?.getArgumentsContent() ?? '[]',
) as string[]
const base = dockerfile.getARGs()[0]?.getProperty()?.getValue()

async function buildah(...words: string[]): Promise<string> {
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot', NODE_OPTIONS: '' }
  const { stdout } = await promisify(execFile)('buildah', words, {
    env,
    maxBuffer: 2 ** 26,
    timeout: 540_000,
  })
  return stdout.trim()
}

async function reasonToSkip(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  const image = `docker.io/library/node:${base}`
  return buildah('pull', '--policy=missing', image).then(
    () => false,
    () => `needs buildah and the image ${image}`,
  )
}

/** Bytes of the files below `path`. */
async function sizeOf(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map((file) => stat(join(file.parentPath, file.name))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}

const skip = await reasonToSkip()
t.setTimeout(600_000)

t.test('the image is built, has what it needs and no more, runs and stops', { skip }, async (t) => {
  t.setTimeout(600_000)
  const image = `localhost/anime-api:test-${process.pid}`
  await buildah('bud', '--pull-never', '--quiet', '--format', 'docker', '--tag', image, root)
  const container = await buildah('from', '--pull-never', image)
  t.teardown(async () => {
    await buildah('rm', container)
    await buildah('rmi', image)
  })
  const mounted = await buildah('mount', container)
  const app = join(mounted, 'app')

  const copied = dockerfile
    .getCOPYs()
    .filter((copy) => copy.getFlags().every((flag) => flag.getName() !== 'from'))
    .flatMap((copy) => copy.getArguments().map((argument) => argument.getValue()))
    .filter((name) => !/^\.|package-lock|^deploy/.test(name))
  t.strictSame(
    (await readdir(app)).sort(),
    [...new Set(['.data', ...copied, 'node_modules'])].sort(),
  )
  const all = await readdir(app, { recursive: true })
  t.strictSame(
    all.filter((name) =>
      /\.map$|(?<!licen[sc]e)\.md$|node_modules\/.*\.d\.[mc]?ts$|\.test\.|\.env/i.test(name),
    ),
    [],
  )
  for (const name of ['typescript', 'tap', 'playwright-core', 'node', '.bin']) {
    t.notOk(all.includes(`node_modules/${name}`), `no ${name}`)
  }
  t.strictSame(await readdir(join(mounted, 'usr/local/lib/node_modules')), [], 'no npm')
  const megabytes = (await sizeOf(app)) / 1e6
  t.ok(megabytes <= 40, `${megabytes.toFixed(1)} MB above the base`)

  const port = await freePort()
  const settings = {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: `${port}`,
    JWT_SECRET: 'x'.repeat(32),
  }
  // Past the test runner's own hook in every Node process, which is not in the image.
  const program = ['env', '-u', 'NODE_OPTIONS', command, ...args]
  // A process namespace of its own makes Node PID 1, which the kernel stops only by a handler of Node's.
  const inside = ['--root', mounted, '--wd', '/app', '--setgid', '1000', '--setuid', '1000']
  const unshare = spawn('unshare', ['--pid', '--fork', '--mount-proc', ...inside, ...program], {
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => unshare.kill('SIGKILL'))
  const output: string[] = []
  for (const stream of [unshare.stdout, unshare.stderr]) {
    stream.on('data', (chunk) => output.push(String(chunk)))
  }
  const exit = once(unshare, 'exit')
  const url = `http://127.0.0.1:${port}`
  await databaseReady(url).catch((error) => t.fail(`${error}\n${output.join('').slice(-2000)}`))
  const list = await fetch(`${url}/v1/animes?limit=1`)
  t.match(await list.json(), { data: [{ title: String }] })
  for (const path of [
    '/',
    '/docs',
    '/docs/static/swagger-ui-bundle.js',
    '/monitor',
    '/monitor/uplot.js',
  ]) {
    const answer = await fetch(url + path)
    await answer.arrayBuffer()
    t.equal(answer.status, 200, path)
  }

  const children = `/proc/${unshare.pid}/task/${unshare.pid}/children`
  const node = Number(
    await until('Node runs', async () => (await readFile(children, 'utf8')).trim()),
  )
  const status = await readFile(`/proc/${node}/status`, 'utf8')
  t.match(status, /^NSpid:\t\d+\t1$/m, 'as PID 1')
  t.match(status, /^Uid:\t1000\t1000\t/m, 'as the user "node"')
  process.kill(node, 'SIGTERM')
  t.strictSame(await exit, [0, null], 'and ends by SIGTERM')
})
