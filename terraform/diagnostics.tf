# What the platform itself knows of each part, in the same workspace as the service's own telemetry.

locals {
  diagnostics = merge(local.front_door_diagnostics, {
    app = {
      id      = azurerm_linux_web_app.main.id
      logs    = ["AppServiceConsoleLogs", "AppServicePlatformLogs", "AppServiceAuditLogs", "AppServiceIPSecAuditLogs"]
      metrics = ["AllMetrics"]
    }
    plan = {
      id      = azurerm_service_plan.main.id
      logs    = []
      metrics = ["AllMetrics"]
    }
    sql = {
      id      = azurerm_mssql_database.main.id
      logs    = ["Errors", "Timeouts", "Blocks", "Deadlocks", "DatabaseWaitStatistics"]
      metrics = ["Basic"]
    }
    staging = {
      id      = azurerm_linux_web_app_slot.staging.id
      logs    = ["AppServiceConsoleLogs", "AppServicePlatformLogs", "AppServiceAuditLogs"]
      metrics = []
    }
    scaling = {
      id      = azurerm_monitor_autoscale_setting.main.id
      logs    = ["AutoscaleEvaluations", "AutoscaleScaleActions"]
      metrics = []
    }
    # The server's audit is written by its database "master".
    audit = {
      id      = "${azurerm_mssql_server.main.id}/databases/master"
      logs    = ["SQLSecurityAuditEvents"]
      metrics = []
    }
    redis = {
      id      = azurerm_managed_redis.main.id
      logs    = []
      metrics = ["AllMetrics"]
    }
    redis-sign-ins = {
      id      = "${azurerm_managed_redis.main.id}/databases/default"
      logs    = ["ConnectionEvents"]
      metrics = []
    }
    network = {
      id      = azurerm_network_security_group.app.id
      logs    = ["NetworkSecurityGroupEvent", "NetworkSecurityGroupRuleCounter"]
      metrics = []
    }
    workspace = {
      id      = azurerm_log_analytics_workspace.main.id
      logs    = ["Audit"]
      metrics = []
    }
    vault = {
      id      = azurerm_key_vault.main.id
      logs    = ["AuditEvent"]
      metrics = []
    }
    registry = {
      id      = azurerm_container_registry.main.id
      logs    = ["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"]
      metrics = []
    }
    factory = {
      id      = azurerm_data_factory.main.id
      logs    = ["PipelineRuns", "ActivityRuns", "TriggerRuns"]
      metrics = []
    }
    blobs = {
      id      = "${azurerm_storage_account.main.id}/blobServices/default"
      logs    = ["StorageRead", "StorageWrite", "StorageDelete"]
      metrics = []
    }
  })

  front_door_diagnostics = {
    for profile in azurerm_cdn_frontdoor_profile.main : "front-door" => {
      id      = profile.id
      logs    = ["FrontDoorAccessLog", "FrontDoorWebApplicationFirewallLog"]
      metrics = []
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "all" {
  for_each = local.diagnostics

  name                       = "to-workspace"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  # Data Factory alone has tables of its own to choose; elsewhere the choice is the platform's.
  log_analytics_destination_type = each.key == "factory" ? "Dedicated" : null

  dynamic "enabled_log" {
    for_each = toset(each.value.logs)

    content {
      category = enabled_log.value
    }
  }

  dynamic "enabled_metric" {
    for_each = toset(each.value.metrics)

    content {
      category = enabled_metric.value
    }
  }
}
