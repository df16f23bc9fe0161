resource "azurerm_mssql_server" "main" {
  name                = "sql-${local.name}-${local.suffix}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  version             = "12.0"
  minimum_tls_version = "1.2"
  tags                = local.tags

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
  storage_account_type        = "Local"
  tags                        = local.tags

  # Hyperscale grows by itself, and the sizes by DTU (S1, P2) have fixed steps: Azure's default is right there.
  max_size_gb = contains(["GP", "BC"], local.sql_tier) ? var.sql_max_size_gb : null

  short_term_retention_policy {
    retention_days = 14
  }
}

# This range is how Azure SQL spells "services inside Azure". App Service and Data Factory call from
# shared addresses; who may sign in is decided by Entra ID, not by the address.
resource "azurerm_mssql_firewall_rule" "azure" {
  name             = "azure-services"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "0.0.0.0"
}

resource "azurerm_mssql_firewall_rule" "operator" {
  for_each = var.operator_ips

  name             = "operator-${each.key}"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = each.value
  end_ip_address   = each.value
}
