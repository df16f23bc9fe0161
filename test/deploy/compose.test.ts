import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { ConfigSchema, loadConfig } from '../../config.ts'

interface Service {
  image?: string
  build?: string
  command?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test?: unknown; disable?: boolean }
  stop_grace_period?: string
  read_only?: boolean
  deploy?: { replicas: number }
}

const root = new URL('../../', import.meta.url)
const text = await readFile(new URL('compose.yaml', root), 'utf8')
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}
const services = Object.entries(compose.services)
const { api, migrate, redis } = compose.services as Record<string, Service>

/** The environment as compose would fill it in on a machine that sets none of its variables. */
const environment = Object.fromEntries(
  Object.entries(api!.environment!).map(([name, value]) => [
    name,
    value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'),
  ]),
)

t.test(
  'a service waits only for services that exist and can say that they are ready',
  async (t) => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const needed = compose.services[other]
        t.ok(needed, `${name} waits for ${other}`)
        if (condition === 'service_healthy') t.ok(await isChecked(needed!), `${other} is checked`)
        if (condition === 'service_completed_successfully') {
          t.match(needed, { restart: 'no' }, `${other} runs once`)
        }
      }
    }
  },
)

async function isChecked(service: Service): Promise<boolean> {
  if (service.healthcheck !== undefined) return service.healthcheck.disable !== true
  if (service.build === undefined) return false
  const dockerfile = new URL(`${service.build}/Dockerfile`, root)
  return (await readFile(dockerfile, 'utf8')).includes('HEALTHCHECK')
}

t.test('volumes and files that are mounted exist', async (t) => {
  for (const mount of services.flatMap(([, service]) => service.volumes ?? [])) {
    const [source = ''] = mount.split(':')
    if (source.startsWith('.')) t.ok(existsSync(new URL(source, root)), source)
    else t.ok(source in compose.volumes, source)
  }
  for (const [, { build }] of services) {
    if (build !== undefined) t.ok(existsSync(new URL(`${build}/Dockerfile`, root)), build)
  }
})

t.test('nothing is reachable from outside this machine', async (t) => {
  for (const port of services.flatMap(([, service]) => service.ports ?? [])) {
    t.match(port, /^127\.0\.0\.1:\d+:\d+$/)
  }
})

t.test('the service accepts the settings that compose gives it', async (t) => {
  const known = new Set([...Object.keys(ConfigSchema.properties), 'OTEL_SERVICE_NAME'])
  for (const name of Object.keys(environment)) t.ok(known.has(name), name)
  t.match(loadConfig(environment), { PORT: 3000, HOST: '0.0.0.0' })
  t.strictSame(migrate!.environment, api!.environment, 'and the migration has the same')
})

t.test('every address in the settings is a service of the file', async (t) => {
  for (const [name, value] of Object.entries(environment)) {
    const host = /^(?:\w+:\/\/(?:[^@/]*@)?)([a-z]+):\d+/.exec(value) ?? /^([a-z]+):\d+$/.exec(value)
    if (host) t.ok(host[1]! in compose.services, `${name}: ${host[1]}`)
  }
  const caddy = await readFile(new URL('deploy/Caddyfile', root), 'utf8')
  const [, upstream = ''] = /name (\w+)/.exec(caddy) ?? []
  t.ok(upstream in compose.services, `the proxy asks ${upstream}`)
})

t.test('there are two instances that write nothing and are given the time to finish', async (t) => {
  t.equal(api?.deploy?.replicas, 2)
  t.equal(api?.read_only, true)
  t.ok(Number.parseInt(api?.stop_grace_period ?? '0', 10) > 10)
})

t.test('Redis never evicts a counter, which has no lifetime', async (t) => {
  const { command = [] } = redis!
  t.match(command[command.indexOf('--maxmemory-policy') + 1], /^volatile-/)
  t.match(
    await readFile(new URL('terraform/redis.tf', root), 'utf8'),
    /eviction_policy = "Volatile/,
    'neither here nor in Azure',
  )
})

/** What compose itself makes of the file: version 2, or Debian's version 1, which knows no `name`. */
function byCompose(yaml: string): { config?: typeof compose; error?: string } | undefined {
  const options = { cwd: root, encoding: 'utf8', env: { PATH: process.env.PATH } } as const
  const nameless = yaml.replace(/^name:.*$/m, '')
  const tries = [
    { command: ['docker', 'compose'], input: yaml },
    { command: ['docker-compose'], input: nameless },
  ]
  for (const { command, input } of tries) {
    const [program = '', ...words] = command
    if (spawnSync(program, [...words, 'version'], options).status !== 0) continue
    const args = [...words, '-p', 'anime-api', '-f', '-', 'config']
    const { status, stdout, stderr } = spawnSync(program, args, { ...options, input })
    return status === 0 ? { config: parse(stdout) } : { error: stderr }
  }
  return undefined
}

t.test('compose itself accepts the file, and starts things in this order', async (t) => {
  const made = byCompose(text)
  if (made === undefined) return void t.pass('there is no compose on this machine')
  t.equal(made.error, undefined)
  const { config } = made
  t.strictSame(Object.keys(config!.services).sort(), Object.keys(compose.services).sort())
  for (const [name, service] of services) {
    const conditions = (of: Service) =>
      Object.entries(of.depends_on ?? {}).map(([other, { condition }]) => [other, condition])
    t.strictSame(conditions(config!.services[name]!).sort(), conditions(service).sort(), name)
    t.equal(Boolean(config!.services[name]!.healthcheck), Boolean(service.healthcheck), name)
  }
  t.match(Object.keys(config!.volumes), ['mssql'], 'the database outlives its container')
  const wrong = byCompose(text.replace('service_healthy', 'service_well'))
  t.match(wrong?.error, /service_well|depends_on/, 'and it would have refused a wrong one')
})
