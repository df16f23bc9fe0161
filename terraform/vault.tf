resource "azurerm_key_vault" "main" {
  name                       = "kv-${substr(local.compact, 0, 14)}-${local.suffix}"
  resource_group_name        = azurerm_resource_group.main.name
  location                   = azurerm_resource_group.main.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
  tags                       = local.tags

  public_network_access_enabled = local.public_access

  network_acls {
    default_action             = "Deny"
    bypass                     = "None"
    ip_rules                   = values(var.operator_ips)
    virtual_network_subnet_ids = var.private_network ? [] : [azurerm_subnet.app.id]
  }
}

resource "azurerm_role_assignment" "operator_writes_secrets" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_role_assignment" "app_reads_secrets" {
  scope                            = azurerm_key_vault.main.id
  role_definition_name             = "Key Vault Secrets User"
  principal_id                     = azurerm_user_assigned_identity.app.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}

# A role takes a while to reach the vault. Without the wait the first apply fails with 403.
resource "time_sleep" "vault_roles" {
  create_duration = "120s"

  triggers = {
    operator = azurerm_role_assignment.operator_writes_secrets.id
    app      = azurerm_role_assignment.app_reads_secrets.id
  }
}

resource "azurerm_key_vault_secret" "jwt_secret" {
  name             = "jwt-secret"
  key_vault_id     = azurerm_key_vault.main.id
  value_wo         = var.jwt_secret
  value_wo_version = var.secrets_version
  content_type     = "text/plain"
  tags             = local.tags

  depends_on = [time_sleep.vault_roles]
}

resource "azurerm_key_vault_secret" "admin_password" {
  count = var.admin_email == null ? 0 : 1

  name             = "admin-password"
  key_vault_id     = azurerm_key_vault.main.id
  value_wo         = var.admin_password
  value_wo_version = var.secrets_version
  content_type     = "text/plain"
  tags             = local.tags

  depends_on = [time_sleep.vault_roles]
}
