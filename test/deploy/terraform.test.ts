import { readdir, readFile } from 'node:fs/promises'
import { parse } from '@cdktn/hcl2json'
import t from 'tap'
import { ConfigSchema } from '../../config.ts'

type Block = Record<string, unknown>
type Blocks = Record<string, Record<string, Block[]>>

const root = new URL('../../', import.meta.url)
const folder = new URL('terraform/', root)
const files = (await readdir(folder)).filter((name) => name.endsWith('.tf'))
const parsed: Record<string, unknown>[] = []
for (const name of files) {
  parsed.push(await parse(name, await readFile(new URL(name, folder), 'utf8')))
}

/** All blocks of one kind, over all files: `resource.TYPE.NAME`, `variable.NAME`. */
function blocks<T>(kind: string): Record<string, T> {
  const all: Record<string, T> = {}
  for (const file of parsed) {
    for (const [key, value] of Object.entries((file[kind] ?? {}) as Record<string, T>)) {
      all[key] =
        typeof value === 'object' && !Array.isArray(value) ? { ...all[key], ...value } : value
    }
  }
  return all
}

const resources = blocks<Record<string, Block[]>>('resource') as Blocks
const data = blocks<Record<string, Block[]>>('data') as Blocks
const variables = blocks<Block[]>('variable')
const outputs = blocks<Block[]>('output')
const locals = Object.assign({}, ...parsed.flatMap((file) => file.locals ?? [])) as Block

/** The parts of every string below `value` in which Terraform evaluates something. */
function* expressions(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    for (let at = value.indexOf('${'); at !== -1; at = value.indexOf('${', at + 2)) {
      let depth = 0
      let end = at + 1
      do {
        if (value[end] === '{') depth++
        if (value[end] === '}') depth--
        end++
      } while (depth > 0 && end < value.length)
      yield value.slice(at + 2, end - 1)
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) yield* expressions(inner)
  }
}

const everything = [...expressions(parsed)]
const dotted = (pattern: RegExp) =>
  everything.flatMap((text) => [...text.matchAll(pattern)].map((match) => match.slice(1)))

t.test('the provider is pinned to 4.73 and its successors below 5', async (t) => {
  const text = JSON.stringify(parsed.map((file) => file.terraform))
  t.match(text, /"source":"hashicorp\/azurerm","version":"~> 4\.73"/)
  t.match(text, /"required_version":">= 1\.11"/, 'and Terraform to one with write-only arguments')
})

t.test('every reference leads to something that is declared', async (t) => {
  for (const [name] of dotted(/\bvar\.(\w+)/g)) t.ok(name! in variables, `var.${name}`)
  for (const [name] of dotted(/\blocal\.(\w+)/g)) t.ok(name! in locals, `local.${name}`)
  for (const [type, name] of dotted(/\bdata\.(azurerm_\w+)\.(\w+)/g)) {
    t.ok(data[type!]?.[name!], `data.${type}.${name}`)
  }
  for (const [type, name] of dotted(/(?<!data\.)\b((?:azurerm|time)_\w+)\.(\w+)/g)) {
    t.ok(resources[type!]?.[name!], `${type}.${name}`)
  }
})

t.test('every variable has a type and a description, and is used', async (t) => {
  const used = new Set(dotted(/\bvar\.(\w+)/g).map(([name]) => name))
  for (const [name, [variable]] of Object.entries(variables)) {
    t.ok(variable?.type, `${name}: type`)
    t.match(variable?.description, /\w.*\.$/s, `${name}: description`)
    const own = [...expressions(variable)].filter((text) => text.includes(`var.${name}`))
    const all = everything.filter((text) => new RegExp(`\\bvar\\.${name}\\b`).test(text))
    t.ok(used.has(name) && all.length > own.length, `${name}: used outside its own validation`)
  }
  const usedLocals = new Set(dotted(/\blocal\.(\w+)/g).map(([name]) => name))
  for (const name of Object.keys(locals)) t.ok(usedLocals.has(name), `local.${name} is used`)
})

t.test('the example gives what must be given, and nothing unknown', async (t) => {
  const text = await readFile(new URL('terraform.tfvars.example', folder), 'utf8')
  const given = Object.keys((await parse('example.tf', text)) as Block)
  for (const name of given) t.ok(name in variables, name)
  for (const [name, [variable]] of Object.entries(variables)) {
    if (variable === undefined || 'default' in variable || variable.ephemeral) continue
    t.ok(given.includes(name), `${name} has no default, so the example gives it`)
  }
})

t.test('no output shows a secret', async (t) => {
  for (const [name, [output]] of Object.entries(outputs)) {
    t.match(output?.description, /\w.*\.$/s, `${name}: description`)
    t.notMatch(
      JSON.stringify(output?.value),
      /key"|access_key|connection_string|password|secret|redis_url/,
      name,
    )
    t.notOk(output?.sensitive, `${name} needs no hiding`)
  }
})

t.test('secrets are written to the vault and read by reference', async (t) => {
  for (const [name, [secret]] of Object.entries(resources.azurerm_key_vault_secret ?? {})) {
    t.ok(secret?.value_wo && secret.value_wo_version, `${name}: write-only`)
    t.notOk(secret?.value, `${name}: not in the state`)
  }
  for (const name of ['jwt_secret', 'admin_password']) {
    t.match(variables[name]?.[0], { ephemeral: true, sensitive: true }, name)
  }
  const settings = { ...(locals.service_settings as Block), ...(locals.optional_settings as Block) }
  for (const name of ['JWT_SECRET', 'ADMIN_PASSWORD', 'GOOGLE_APPLICATION_CREDENTIALS']) {
    t.match(String(settings[name]), /local\.jwt_secret|@Microsoft\.KeyVault\(/, name)
  }
  t.notMatch(String(settings.DATABASE_URL), /password|user id/i, 'SQL has no password at all')
  t.match(String(locals.redis_url), /\?authentication=azure$/, 'and Redis no key')
  t.notMatch(JSON.stringify(parsed), /_access_key\b/, 'no key is read from anywhere')
})

t.test('every setting that the service is given is one that it knows', async (t) => {
  const read = new Set([
    ...Object.keys(ConfigSchema.properties),
    'AZURE_CLIENT_ID',
    'AZURE_TOKEN_CREDENTIALS',
  ])
  const settings = { ...(locals.service_settings as Block), ...(locals.optional_settings as Block) }
  for (const name of Object.keys(settings)) t.ok(read.has(name), name)
})

t.test('the two slots differ in the name they report, and in nothing else', async (t) => {
  const [app] = resources.azurerm_linux_web_app!.main!
  const [slot] = resources.azurerm_linux_web_app_slot!.staging!
  for (const name of [
    'site_config',
    'identity',
    'https_only',
    'key_vault_reference_identity_id',
    'logs',
    'virtual_network_subnet_id',
    'vnet_image_pull_enabled',
  ]) {
    t.same(slot![name], app![name], name)
  }
  for (const { lifecycle } of [app!, slot!]) {
    t.match(JSON.stringify(lifecycle), /docker_image_name/, 'the image is the workflow’s to change')
  }
  t.match(JSON.stringify(app!.sticky_settings), /\["OTEL_SERVICE_NAME"\]/)
})

/** Types of which Azure, or the provider, takes no tags. */
const untagged = new Set(
  `app_service_certificate_binding app_service_custom_hostname_binding cdn_frontdoor_custom_domain
  cdn_frontdoor_origin cdn_frontdoor_origin_group cdn_frontdoor_route cdn_frontdoor_security_policy
  consumption_budget_resource_group data_factory_dataset_azure_sql_table data_factory_dataset_delimited_text
  data_factory_integration_runtime_azure data_factory_linked_service_azure_blob_storage
  data_factory_linked_service_azure_sql_database data_factory_managed_private_endpoint data_factory_pipeline
  data_factory_trigger_blob_event federated_identity_credential managed_redis_access_policy_assignment
  monitor_diagnostic_setting mssql_firewall_rule mssql_server_extended_auditing_policy
  mssql_server_security_alert_policy mssql_virtual_network_rule role_assignment storage_container
  storage_management_policy subnet subnet_network_security_group_association`
    .split(/\s+/)
    .map((type) => `azurerm_${type}`),
)

t.test('everything that can have tags has them', async (t) => {
  for (const [type, named] of Object.entries(resources)) {
    if (!type.startsWith('azurerm_') || untagged.has(type)) continue
    for (const [name, [resource]] of Object.entries(named))
      t.match(resource?.tags, /local\.tags/, `${type}.${name}`)
  }
})

t.test('the alert on stale reads looks for the metric that the service exports', async (t) => {
  const sources: string[] = []
  for (const folder of ['telemetry', 'plugins']) {
    for (const file of await sourcesIn(new URL(folder, root)))
      sources.push(await readFile(file, 'utf8'))
  }
  const [, group, name] = /^(.+)\.(\w+)$/.exec(String(locals.stale_reads_metric))!
  t.ok(sources.some((text) => text.includes(`'${group}'`) && text.includes(`.${name}`)))
})

async function sourcesIn(at: URL): Promise<URL[]> {
  const entries = await readdir(at, { recursive: true }).catch(() => [])
  return entries.filter((name) => name.endsWith('.ts')).map((name) => new URL(`${at}/${name}`))
}

t.test('the longest names still fit what Azure allows', async (t) => {
  const rules: Record<string, RegExp> = {
    azurerm_application_insights: /^[\w.()-]{0,254}[\w()-]$/,
    azurerm_cdn_frontdoor_firewall_policy: /^[A-Za-z][A-Za-z0-9]{0,127}$/,
    azurerm_cdn_frontdoor_profile: /^(?=.{5,64}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$/,
    azurerm_container_registry: /^[a-zA-Z0-9]{5,50}$/,
    azurerm_data_factory: /^(?=.{3,63}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/,
    azurerm_key_vault: /^(?=.{3,24}$)[a-zA-Z](?!.*--)[a-zA-Z0-9-]*[a-zA-Z0-9]$/,
    azurerm_linux_web_app: /^[0-9a-zA-Z-]{2,51}$/,
    azurerm_log_analytics_workspace: /^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$/,
    azurerm_managed_redis: /^(?=.{3,63}$)(?!.*--)[A-Za-z0-9][A-Za-z0-9-]+[A-Za-z0-9]$/,
    azurerm_mssql_server: /^(?=.{1,63}$)[0-9a-z]([0-9a-z-]*[0-9a-z])?$/,
    azurerm_network_security_group: /^(?=.{1,80}$)[A-Za-z0-9][\w.-]*\w$/,
    azurerm_resource_group: /^[\w.()-]{0,89}[\w()-]$/,
    azurerm_service_plan: /^[0-9a-zA-Z-_]{1,60}$/,
    azurerm_storage_account: /^[a-z0-9]{3,24}$/,
    azurerm_user_assigned_identity: /^[A-Za-z0-9][\w-]{2,127}$/,
    azurerm_virtual_network: /^(?=.{2,64}$)[A-Za-z0-9][\w.-]*\w$/,
  }
  for (const name of ['abc-de', 'a234567890-234567890']) {
    const full = `${name}-production`.slice(0, name.length + 9)
    const known: Record<string, string> = {
      'local.name': full,
      'local.suffix': '0a1b2c',
      'local.compact': full.replaceAll('-', ''),
    }
    for (const [type, rule] of Object.entries(rules)) {
      const template = String(Object.values(resources[type]!)[0]![0]!.name)
      const value = template.replaceAll(/\$\{([^}]+)\}/g, (_, text: string) => {
        const cut = /^substr\((local\.\w+), 0, (\d+)\)$/.exec(text)
        return cut ? known[cut[1]!]!.slice(0, Number(cut[2])) : (known[text] ?? `?${text}`)
      })
      t.match(value, rule, type)
    }
  }
})
