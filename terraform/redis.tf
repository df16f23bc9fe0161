resource "azurerm_managed_redis" "main" {
  name                      = "redis-${local.name}-${local.suffix}"
  resource_group_name       = azurerm_resource_group.main.name
  location                  = azurerm_resource_group.main.location
  sku_name                  = var.redis_sku
  high_availability_enabled = var.redis_high_availability
  tags                      = local.tags

  default_database {
    client_protocol = "Encrypted"

    # One endpoint that any client can talk to; with OSSCluster a plain client meets MOVED.
    clustering_policy = "EnterpriseCluster"

    # Only keys with a lifetime may be evicted. The version counters have none, so they stay.
    eviction_policy = "VolatileLRU"

    # The service signs in with a key in REDIS_URL. Azure returns that key with the resource, so it is
    # in the state: see "The state" in docs/deploy.md.
    access_keys_authentication_enabled = true

    # Nothing here has to outlive Redis: a restart begins a new epoch and the cache fills again.
  }
}

locals {
  redis_key = azurerm_managed_redis.main.default_database[0].primary_access_key
  redis_url = "rediss://:${urlencode(local.redis_key)}@${azurerm_managed_redis.main.hostname}:${azurerm_managed_redis.main.default_database[0].port}"
}
