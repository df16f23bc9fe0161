import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type Teardown, temporaryFolder } from '../support/app.ts'
import { root, startServer } from '../support/process.ts'

/** Runs a script of deploy/; gives its exit code and what it printed. */
async function bash(args: string[], env: NodeJS.ProcessEnv = {}) {
  const [script = '', ...rest] = args
  const options = { env: { PATH: process.env.PATH, SMOKE_SECONDS: '0', ...env }, timeout: 60_000 }
  return promisify(execFile)('bash', [join(root, 'deploy', script), ...rest], options).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }) => ({ code, stdout }),
  )
}

/** Stand-ins for `az`, which writes down what it is told, and for `curl`, which answers `statuses` by path. */
async function standIns(t: Teardown, statuses: Record<string, string>) {
  const folder = temporaryFolder(t)
  const log = join(folder, 'log')
  const cases = Object.entries(statuses).map(([path, status]) => `*${path}) echo ${status};;`)
  const scripts = {
    az: `echo "$*" >> ${log}; case "$*" in *' show '*) echo app.example;; esac; exit "\${AZ_EXIT:-0}"`,
    curl: `for url; do :; done; case "$url" in ${cases.join(' ')} esac`,
  }
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(folder, name), 0o755)
  }
  return {
    env: { PATH: `${folder}:${process.env.PATH}`, GITHUB_OUTPUT: join(folder, 'output') },
    output: () => readFile(join(folder, 'output'), 'utf8'),
    said: async () => (await readFile(log, 'utf8')).trim().split('\n'),
  }
}

const members = { '/health/ready': '200', '/openapi.json': '200', '/v1/animes?limit=1': '401' }
const well = { ...members, '/v1/animes': '401' }
const ill = { ...well, '/openapi.json': '500' }
const swapped =
  'webapp deployment slot swap --name a --resource-group g --slot staging --target-slot production'

t.test('the smoke test passes a service that works', async (t) => {
  const { url } = await startServer(t)
  const { code, stdout } = await bash(['smoke.sh', url], { SMOKE_SECONDS: '30' })
  t.equal(code, 0, stdout)
  t.match(stdout, /the same with its ETag: 304/)
  t.match(stdout, `smoke test passed: ${url}`)
})

t.test('it names what did not answer well, and nothing answers where nobody listens', async (t) => {
  const { env } = await standIns(t, ill)
  const failed = await bash(['smoke.sh', 'https://app.example'], env)
  t.equal(failed.code, 1)
  t.match(failed.stdout, /smoke test failed: GET \/openapi.json answered 500, wanted 200\n$/)
  const absent = await bash(['smoke.sh', 'http://127.0.0.1:9'])
  t.match(absent, { code: 1, stdout: /GET \/health\/ready answered 000/ })
})

t.test('an image is put into a stopped slot, which is started and asked', async (t) => {
  const { env, said, output } = await standIns(t, well)
  const { code, stdout } = await bash(['stage.sh', 'a', 'g', 'cr.example/anime-api:1'], env)
  t.equal(code, 0, stdout)
  const slot = '--name a --resource-group g --slot staging'
  t.strictSame(await said(), [
    `webapp stop ${slot}`,
    `webapp config container set ${slot} --container-image-name cr.example/anime-api:1 --output none`,
    `webapp start ${slot}`,
    `webapp show ${slot} --query defaultHostName --output tsv`,
  ])
  t.equal(await output(), 'url=https://app.example\n')
})

t.test('a version that answers well stays in production', async (t) => {
  const { env, said } = await standIns(t, well)
  t.match(await bash(['swap.sh', 'a', 'g'], env), { code: 0 })
  t.strictSame((await said()).slice(1), [swapped])
})

t.test('one that does not is swapped out again', async (t) => {
  const { env, said } = await standIns(t, ill)
  t.match(await bash(['swap.sh', 'a', 'g'], env), { code: 1, stdout: /swapping back/ })
  t.strictSame((await said()).slice(1), [swapped, swapped])
})

t.test('a command of Azure that fails ends the script', async (t) => {
  const { env, said } = await standIns(t, well)
  t.match(await bash(['stage.sh', 'a', 'g', 'i'], { ...env, AZ_EXIT: '3' }), { code: 3 })
  t.equal((await said()).length, 1)
})

t.test('what is missing is named', async (t) => {
  for (const script of ['smoke.sh', 'stage.sh', 'swap.sh'])
    t.match(await bash([script]), { code: 1 })
})

t.test(
  'Data Factory’s endpoints are approved where they wait, and none is forgotten',
  async (t) => {
    const folder = temporaryFolder(t)
    const log = join(folder, 'approved')
    // A server and an account, each with one endpoint that waits until it is approved.
    const az = `
case "$*" in
  *'resource list'*servers*) echo sql;;
  *'resource list'*) echo "$ACCOUNT";;
  *' approve '*) echo "$5" >> ${log};;
  *'connection list'*Pending*) grep -qs "/$9$" ${log} || echo "/c/$9";;
  *'connection list'*Approved*) grep -s "/$9$" ${log} || true;;
esac`
    await writeFile(join(folder, 'az'), `#!/bin/sh${az}\n`)
    await chmod(join(folder, 'az'), 0o755)
    const env = { PATH: `${folder}:${process.env.PATH}` }
    t.match(await bash(['approve.sh', 'g', 'factory'], env), {
      code: 1,
      stdout: /1 of 2 endpoints/,
    })
    const both = { ...env, ACCOUNT: 'storage' }
    t.match(await bash(['approve.sh', 'g', 'factory'], both), {
      code: 0,
      stdout: 'approved: storage\n',
    })
    t.strictSame((await readFile(log, 'utf8')).trim().split('\n'), ['/c/sql', '/c/storage'])
    t.match(await bash(['approve.sh', 'g', 'factory'], both), { code: 0, stdout: '' }, 'once')
  },
)

t.test('behind Front Door the scripts ask where readers come in', async (t) => {
  const { env, output } = await standIns(t, well)
  const { code, stdout } = await bash(['swap.sh', 'a', 'g'], { ...env, URL: 'https://api.example' })
  t.match({ code, stdout }, { code: 0, stdout: /smoke test passed: https:\/\/api\.example\n$/ })
  t.equal(await output(), 'url=https://api.example\n')
})
