resource "azurerm_managed_redis" "main" {
  name                      = "redis-${local.name}-${local.suffix}"
  resource_group_name       = azurerm_resource_group.main.name
  location                  = azurerm_resource_group.main.location
  sku_name                  = var.redis_sku
  high_availability_enabled = var.redis_high_availability
  public_network_access     = var.private_network ? "Disabled" : "Enabled"
  tags                      = local.tags

  default_database {
    client_protocol = "Encrypted"

    # One endpoint that any client can talk to; with OSSCluster a plain client meets MOVED.
    clustering_policy = "EnterpriseCluster"

    # Only keys with a lifetime may be evicted. The version counters have none, so they stay.
    eviction_policy = "VolatileLRU"

    # The service signs in with tokens of its identity: no key exists that could leak.
    access_keys_authentication_enabled = false

    # Nothing here has to outlive Redis: a restart begins a new epoch and the cache fills again.
  }
}

# All commands on all keys: this Redis has no other use than the service's.
resource "azurerm_managed_redis_access_policy_assignment" "app" {
  managed_redis_id = azurerm_managed_redis.main.id
  object_id        = azurerm_user_assigned_identity.app.principal_id
}

locals {
  redis_url = "rediss://${azurerm_managed_redis.main.hostname}:${azurerm_managed_redis.main.default_database[0].port}?authentication=azure"
}
