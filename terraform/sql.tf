resource "azurerm_mssql_server" "main" {
  name                = "sql-${local.name}-${local.suffix}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  version             = "12.0"
  tags                = local.tags

  # 1.3 needs TDS 8, which the service's driver does not speak: inside TDS 7 TLS ends at 1.2.
  minimum_tls_version           = "1.2"
  public_network_access_enabled = local.public_access

  # Defender for SQL, which the alert policy below switches on, scans weekly and keeps its findings itself.
  express_vulnerability_assessment_enabled = true

  # Entra only: there is no SQL login, so no password that could be guessed or leaked.
  azuread_administrator {
    login_username              = var.sql_admin.login
    object_id                   = var.sql_admin.object_id
    azuread_authentication_only = true
  }
}

locals {
  sql_tier       = split("_", var.sql_sku)[0]
  sql_serverless = startswith(var.sql_sku, "${local.sql_tier}_S_")
}

resource "azurerm_mssql_database" "main" {
  name                        = "anime"
  server_id                   = azurerm_mssql_server.main.id
  sku_name                    = var.sql_sku
  min_capacity                = local.sql_serverless ? var.sql_min_capacity : null
  auto_pause_delay_in_minutes = local.sql_serverless && local.sql_tier == "GP" ? var.sql_auto_pause_minutes : null
  storage_account_type        = local.backup_redundancy
  zone_redundant              = var.zone_redundant && contains(["GP", "BC", "HS"], local.sql_tier)
  tags                        = local.tags

  # Azure names a window by its region: SQL_WestEurope_DB_1. Its own is from 17 to 8 o'clock, every day.
  maintenance_configuration_name = (
    var.sql_maintenance == "default" ? "SQL_Default" : "SQL_${replace(local.region_name, " ", "")}_DB_${var.sql_maintenance == "weekdays" ? 1 : 2}"
  )

  # Hyperscale grows by itself, and the sizes by DTU (S1, P2) have fixed steps: Azure's default is right there.
  max_size_gb = contains(["GP", "BC"], local.sql_tier) ? var.sql_max_size_gb : null

  short_term_retention_policy {
    retention_days = var.sql_backup_days
  }
}

# Who did what in the database, in the log workspace: its category is in diagnostics.tf.
resource "azurerm_mssql_server_extended_auditing_policy" "main" {
  server_id              = azurerm_mssql_server.main.id
  log_monitoring_enabled = true
}

resource "azurerm_mssql_server_security_alert_policy" "main" {
  resource_group_name  = azurerm_resource_group.main.name
  server_name          = azurerm_mssql_server.main.name
  state                = "Enabled"
  email_account_admins = true
  email_addresses      = var.alert_emails
  retention_days       = 90
}

# Without private endpoints the server knows the service by its subnet. Data Factory has endpoints of its own
# in both layouts (datafactory.tf), so nothing needs the rule 0.0.0.0, which would admit all of Azure.
resource "azurerm_mssql_virtual_network_rule" "app" {
  count = var.private_network ? 0 : 1

  name      = "app"
  server_id = azurerm_mssql_server.main.id
  subnet_id = azurerm_subnet.app.id
}

resource "azurerm_mssql_firewall_rule" "operator" {
  for_each = var.operator_ips

  name             = "operator-${each.key}"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = each.value
  end_ip_address   = each.value
}
