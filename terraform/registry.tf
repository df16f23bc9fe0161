resource "azurerm_container_registry" "main" {
  name                = "cr${local.compact}${local.suffix}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  sku                 = local.registry_sku
  admin_enabled       = false
  tags                = local.tags

  # Without Premium there is neither a private endpoint nor a firewall: then who signs in decides alone.
  public_network_access_enabled = !local.registry_private || local.public_access
  zone_redundancy_enabled       = local.registry_sku == "Premium" && var.zone_redundant
  retention_policy_in_days      = local.registry_sku == "Premium" ? 30 : null

  # Closed, it hands no image on to another registry either; Azure allows that with the public address off alone.
  export_policy_enabled = !local.registry_private || local.public_access

  dynamic "network_rule_set" {
    for_each = local.registry_private ? [var.operator_ips] : []

    content {
      default_action = "Deny"

      dynamic "ip_rule" {
        for_each = network_rule_set.value

        content {
          action   = "Allow"
          ip_range = "${ip_rule.value}/32"
        }
      }
    }
  }
}

locals {
  # Only Premium has private endpoints.
  registry_sku     = coalesce(var.registry_sku, var.private_network ? "Premium" : "Standard")
  registry_private = var.private_network && local.registry_sku == "Premium"
}

resource "azurerm_role_assignment" "app_pulls" {
  scope                            = azurerm_container_registry.main.id
  role_definition_name             = "AcrPull"
  principal_id                     = azurerm_user_assigned_identity.app.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}
