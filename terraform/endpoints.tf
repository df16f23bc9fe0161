# One private endpoint for each thing that holds data, with the zone in which its usual name leads there.

locals {
  private_endpoints = {
    for name, part in {
      sql      = { id = azurerm_mssql_server.main.id, kind = "sqlServer", zone = "privatelink.database.windows.net" }
      redis    = { id = azurerm_managed_redis.main.id, kind = "redisEnterprise", zone = "privatelink.redis.azure.net" }
      vault    = { id = azurerm_key_vault.main.id, kind = "vault", zone = "privatelink.vaultcore.azure.net" }
      blobs    = { id = azurerm_storage_account.main.id, kind = "blob", zone = "privatelink.blob.core.windows.net" }
      registry = { id = azurerm_container_registry.main.id, kind = "registry", zone = "privatelink.azurecr.io" }
    } : name => part if var.private_network && (name != "registry" || local.registry_private)
  }
}

resource "azurerm_private_dns_zone" "all" {
  for_each = local.private_endpoints

  name                = each.value.zone
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "all" {
  for_each = local.private_endpoints

  name                  = each.key
  resource_group_name   = azurerm_resource_group.main.name
  private_dns_zone_name = azurerm_private_dns_zone.all[each.key].name
  virtual_network_id    = azurerm_virtual_network.main.id
  tags                  = local.tags
}

resource "azurerm_private_endpoint" "all" {
  for_each = local.private_endpoints

  name                = "pe-${each.key}-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  subnet_id           = azurerm_subnet.endpoints[0].id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.kind]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "zone"
    private_dns_zone_ids = [azurerm_private_dns_zone.all[each.key].id]
  }
}
