# What runs full before a reader notices. The limits are settings: var.platform_limits.

locals {
  platform_alerts = {
    plan-cpu = {
      scope       = azurerm_service_plan.main.id
      namespace   = "Microsoft.Web/serverfarms"
      metric      = "CpuPercentage"
      description = "Autoscale has no instance left to add, or adds them too slowly."
    }
    plan-memory = {
      scope       = azurerm_service_plan.main.id
      namespace   = "Microsoft.Web/serverfarms"
      metric      = "MemoryPercentage"
      description = "The instances' memory is nearly used up."
    }
    sql-cpu = {
      scope       = azurerm_mssql_database.main.id
      namespace   = "Microsoft.Sql/servers/databases"
      metric      = "cpu_percent"
      description = "The database is too small for its misses and writes."
    }
    sql-storage = {
      scope       = azurerm_mssql_database.main.id
      namespace   = "Microsoft.Sql/servers/databases"
      metric      = "storage_percent"
      description = "The database nears the size that it may have."
    }
    redis-memory = {
      scope       = azurerm_managed_redis.main.id
      namespace   = "Microsoft.Cache/redisEnterprise"
      metric      = "usedmemorypercentage"
      description = "Redis evicts answers soon; they are read from SQL again."
    }
  }
}

resource "azurerm_monitor_metric_alert" "platform" {
  for_each = { for name, limit in var.platform_limits : name => local.platform_alerts[name] }

  name                = "${each.key}-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [each.value.scope]
  description         = each.value.description
  severity            = 2
  frequency           = "PT5M"
  window_size         = "PT15M"
  tags                = local.tags

  criteria {
    metric_namespace = each.value.namespace
    metric_name      = each.value.metric
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = var.platform_limits[each.key]
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}
