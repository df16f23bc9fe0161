import t from 'tap'
import { type Evaluated, evaluate, hasTerraform } from './evaluate.ts'

const id = '00000000-0000-0000-0000-000000000000'
const needed = {
  subscription_id: id,
  sql_admin: { login: 'admins', object_id: id },
  alert_emails: ['ops@example.com'],
  jwt_secret: 'only-for-this-test-only-for-this-test',
}
const office = { operator_ips: { office: '203.0.113.10' } }
const skip = (await hasTerraform()) ? false : 'there is no terraform on the path'

/** Whether each part that holds data takes calls from public addresses. */
const isPublic = (all: Evaluated) => ({
  sql: all['azurerm_mssql_server.main'].public_network_access_enabled,
  redis: all['azurerm_managed_redis.main'].public_network_access === 'Enabled',
  vault: all['azurerm_key_vault.main'].public_network_access_enabled,
  blobs: all['azurerm_storage_account.main'].public_network_access_enabled,
  registry: all['azurerm_container_registry.main'].public_network_access_enabled,
})

/** Each security rule of a group: direction, access, ports. */
const rulesOf = (group: Evaluated): string[] =>
  group.security_rule
    .map(
      ({ direction, access, ...rule }: Evaluated) =>
        `${direction} ${access} ${rule.destination_port_ranges ?? rule.destination_port_range} to ${rule.destination_address_prefix}`,
    )
    .sort()

/** The public addresses that each part lets in, where it lets in any but those that it names. */
const letIn = (all: Evaluated) => ({
  sql: Object.values<Evaluated>(all['azurerm_mssql_firewall_rule.operator']).map(
    (rule) => `${rule.start_ip_address}-${rule.end_ip_address}`,
  ),
  vault: all['azurerm_key_vault.main'].network_acls[0],
  blobs: all['azurerm_storage_account.main'].network_rules[0],
  registry: all['azurerm_container_registry.main'].network_rule_set,
})

t.test('by default nothing that holds data is reached from outside', { skip }, async (t) => {
  const all = await evaluate(t, needed)
  const closed = { sql: false, redis: false, vault: false, blobs: false, registry: false }
  t.strictSame(isPublic(all), closed)
  t.strictSame(all['azurerm_mssql_virtual_network_rule.app'], [])
  const endpoints: Record<string, Evaluated> = all['azurerm_private_endpoint.all']
  t.strictSame(Object.keys(endpoints).sort(), Object.keys(closed).sort(), 'each by an endpoint')
  for (const [name, endpoint] of Object.entries(endpoints)) {
    t.equal(endpoint.subnet_id, '<azurerm_subnet/endpoints id>', name)
    t.match(
      all['azurerm_private_dns_zone.all'][name].name,
      /^privatelink\./,
      'under its usual name',
    )
    t.ok(all['azurerm_private_dns_zone_virtual_network_link.all'][name], 'which the network asks')
  }
  t.equal(all['azurerm_container_registry.main'].sku, 'Premium', 'other tiers have no endpoints')
})

t.test('from the network nothing is called but what the service needs', { skip }, async (t) => {
  const all = await evaluate(t, needed)
  const nothingElse = ['Inbound Deny * to *', 'Outbound Deny * to *']
  t.strictSame(rulesOf(all['azurerm_network_security_group.app']), [
    ...nothingElse.slice(0, 1),
    'Outbound Allow 443,1433,10000,11000-11999 to *',
    ...nothingElse.slice(1),
  ])
  t.strictSame(rulesOf(all['azurerm_network_security_group.endpoints'][0]), [
    'Inbound Allow 443,1433,10000 to *',
    ...nothingElse,
  ])
})

t.test('a closed registry hands no image on to another one', { skip }, async (t) => {
  const exports = async (settings: object) =>
    (await evaluate(t, { ...needed, ...settings }))['azurerm_container_registry.main']
      .export_policy_enabled
  t.equal(await exports({}), false)
  t.equal(await exports(office), true, 'Azure refuses it beside a public address')
  t.equal(await exports({ registry_sku: 'Standard' }), true, 'and below Premium')
  t.equal(await exports({ private_network: false, registry_sku: 'Premium' }), true)
})

t.test('the database restarts when its setting says', { skip }, async (t) => {
  const window = async (sql_maintenance?: string) =>
    (await evaluate(t, { ...needed, sql_maintenance }))['azurerm_mssql_database.main']
      .maintenance_configuration_name
  t.equal(await window(), 'SQL_Default')
  t.match(await window('weekdays'), /^SQL_.*_DB_1$/)
  t.match(await window('weekends'), /^SQL_.*_DB_2$/)
})

t.test(
  'an operator’s address is let in alone, and for as long as it is set',
  { skip },
  async (t) => {
    const all = await evaluate(t, { ...needed, ...office })
    t.match(isPublic(all), { sql: true, vault: true, blobs: true, registry: true, redis: false })
    t.match(letIn(all), {
      sql: ['203.0.113.10-203.0.113.10'],
      vault: { default_action: 'Deny', ip_rules: ['203.0.113.10'], virtual_network_subnet_ids: [] },
      blobs: { default_action: 'Deny', ip_rules: ['203.0.113.10'] },
      registry: [{ default_action: 'Deny', ip_rule: [{ ip_range: '203.0.113.10/32' }] }],
    })
  },
)

t.test(
  'the cheap layout has no endpoints, and lets in the service by its subnet',
  { skip },
  async (t) => {
    const all = await evaluate(t, { ...needed, private_network: false })
    t.equal(all['azurerm_linux_web_app.main'].app_settings.WORKERS, '1')
    t.strictSame(all['azurerm_private_endpoint.all'], {})
    t.strictSame(all['azurerm_subnet.endpoints'], [])
    t.strictSame(new Set(Object.values(isPublic(all))), new Set([true]))
    t.match(letIn(all), {
      sql: [],
      vault: { default_action: 'Deny', virtual_network_subnet_ids: ['<azurerm_subnet/app id>'] },
      blobs: { default_action: 'Deny', ip_rules: [] },
    })
    t.strictSame(
      all['azurerm_mssql_virtual_network_rule.app'].map((rule: Evaluated) => rule.subnet_id),
      ['<azurerm_subnet/app id>'],
    )
    t.equal(all['azurerm_container_registry.main'].sku, 'Standard')
  },
)

for (const private_network of [true, false]) {
  t.test(
    `no key and no open door in the ${private_network ? 'private' : 'cheap'} layout`,
    { skip },
    async (t) => {
      const all = await evaluate(t, { ...needed, ...office, private_network, workers: 'auto' })
      t.notMatch(
        JSON.stringify(all),
        /ip_(address|range)":"0\.0\.0\.0/,
        'no rule admits all of Azure',
      )
      t.equal(
        all['azurerm_managed_redis.main'].default_database[0].access_keys_authentication_enabled,
        false,
      )
      for (const name of ['azurerm_linux_web_app.main', 'azurerm_linux_web_app_slot.staging']) {
        const { app_settings, site_config, ...app } = all[name]
        t.match(
          app_settings.REDIS_URL,
          /^rediss:\/\/[^@]+\?authentication=azure$/,
          'no key anywhere',
        )
        t.match(
          app_settings.APPLICATIONINSIGHTS_AUTHENTICATION_STRING,
          /^Authorization=AAD;ClientId=/,
        )
        t.equal(app_settings.WORKERS, 'auto')
        t.equal(app.virtual_network_subnet_id, '<azurerm_subnet/app id>')
        t.match(site_config[0], { vnet_route_all_enabled: true, minimum_tls_version: '1.3' })
      }
      t.match(all['azurerm_role_assignment.app_reports'], {
        scope: '<azurerm_application_insights/main id>',
        role_definition_name: 'Monitoring Metrics Publisher',
      })
      t.equal(all['azurerm_log_analytics_workspace.main'].local_authentication_enabled, false)
      t.equal(all['azurerm_mssql_server.main'].express_vulnerability_assessment_enabled, true)
      t.equal(all['azurerm_data_factory.main'].managed_virtual_network_enabled, true)
      t.strictSame(Object.keys(all['azurerm_data_factory_managed_private_endpoint.all']), [
        'blobs',
        'sql',
      ])
      const logged: Evaluated[] = Object.values(all['azurerm_monitor_diagnostic_setting.all'])
      const targets = new Set(logged.map((setting) => setting.target_resource_id))
      t.equal(targets.size, logged.length, 'one diagnostic setting a part')
    },
  )
}

t.test('Front Door is the only way in, to both slots', { skip }, async (t) => {
  const all = await evaluate(t, {
    ...needed,
    front_door: 'Premium',
    custom_domain: 'api.example.com',
  })
  for (const name of ['azurerm_linux_web_app.main', 'azurerm_linux_web_app_slot.staging']) {
    t.match(all[name].site_config[0], {
      ip_restriction_default_action: 'Deny',
      ip_restriction: [
        { service_tag: 'AzureFrontDoor.Backend', headers: [{ x_azure_fdid: [String] }] },
      ],
    })
    t.equal(all[name].app_settings.TRUST_PROXY, '2', 'one proxy more')
  }
  const [policy] = all['azurerm_cdn_frontdoor_firewall_policy.main']
  t.match(policy, {
    mode: 'Prevention',
    managed_rule: [
      { type: 'Microsoft_DefaultRuleSet', action: 'Block' },
      { type: 'Microsoft_BotManagerRuleSet', action: 'Block' },
    ],
  })
  const { domain } =
    all['azurerm_cdn_frontdoor_security_policy.main'][0].security_policies[0].firewall[0]
      .association[0]
  t.equal(domain.length, 3, 'two endpoints and the domain')
  t.strictSame(
    all['azurerm_app_service_custom_hostname_binding.main'],
    {},
    'the domain is there, not at the app',
  )
  t.match(
    all['azurerm_application_insights_standard_web_test.ready'].request[0].url,
    'https://api.example.com/',
  )
})

t.test(
  'without it the domain is the app’s, with a certificate that Azure renews',
  { skip },
  async (t) => {
    const all = await evaluate(t, { ...needed, custom_domain: 'api.example.com' })
    t.match(all['azurerm_app_service_certificate_binding.main']['api.example.com'], {
      ssl_state: 'SniEnabled',
    })
    t.match(all['azurerm_linux_web_app.main'].site_config[0], {
      ip_restriction_default_action: 'Allow',
      ip_restriction: [],
    })
    t.strictSame(all['azurerm_cdn_frontdoor_profile.main'], [])
  },
)

t.test('zones and regions: what is spread is spread everywhere', { skip }, async (t) => {
  const redundancy = async (settings: object) => {
    const all = await evaluate(t, { ...needed, ...settings })
    const database = all['azurerm_mssql_database.main']
    return [
      all['azurerm_service_plan.main'].zone_balancing_enabled,
      database.zone_redundant,
      all['azurerm_container_registry.main'].zone_redundancy_enabled,
      database.storage_account_type,
      all['azurerm_storage_account.main'].account_replication_type,
    ]
  }
  t.strictSame(await redundancy({}), [false, false, false, 'Geo', 'GRS'])
  t.strictSame(await redundancy({ zone_redundant: true }), [true, true, true, 'GeoZone', 'GZRS'])
  t.strictSame(await redundancy({ geo_redundant_backups: false }), [
    false,
    false,
    false,
    'Local',
    'LRS',
  ])
})

for (const [setting, value] of Object.entries({
  address_space: '10.0.0.0/16',
  operator_ips: { all: '0.0.0.0/0' },
  front_door: 'Basic',
  custom_domain: 'https://api.example.com',
  tls_minimum: '1.1',
  registry_sku: 'Gold',
  sql_backup_days: 1,
  sql_maintenance: 'nights',
  platform_limits: { 'redis-cpu': 90 },
  alert_webhooks: { chat: 'http://chat.example.com' },
})) {
  t.test(`${setting} = ${JSON.stringify(value)} is refused`, { skip }, async (t) => {
    await t.rejects(
      evaluate(t, { ...needed, [setting]: value }),
      new RegExp(`${setting} (must|knows)`),
    )
  })
}
