resource "azurerm_log_analytics_workspace" "main" {
  name                = "log-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days
  daily_quota_gb      = var.log_daily_quota_gb
  tags                = local.tags

  # Diagnostic settings and Application Insights write without its keys.
  local_authentication_enabled = false
}

resource "azurerm_application_insights" "main" {
  name                = "appi-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  workspace_id        = azurerm_log_analytics_workspace.main.id
  application_type    = "Node.JS"
  retention_in_days   = var.log_retention_days

  # The service samples at its source; sampling again on arrival would blur the percentiles.
  sampling_percentage = 100
  tags                = local.tags

  lifecycle {
    # Off by the command in docs/policies.md, and to stay so: the argument changes its name in azurerm 5.
    ignore_changes = [local_authentication_disabled]
  }
}

# The service reports with its identity, not with the key in the connection string. The role covers logs and traces too.
resource "azurerm_role_assignment" "app_reports" {
  scope                            = azurerm_application_insights.main.id
  role_definition_name             = "Monitoring Metrics Publisher"
  principal_id                     = azurerm_user_assigned_identity.app.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}

# From outside Azure's network, as a reader sees it. Five places: one that fails alone is that place's trouble.
resource "azurerm_application_insights_standard_web_test" "ready" {
  name                    = "ready-${local.name}"
  resource_group_name     = azurerm_resource_group.main.name
  location                = azurerm_resource_group.main.location
  application_insights_id = azurerm_application_insights.main.id
  description             = "Is the service ready, with a certificate that is good for two weeks more?"
  enabled                 = true
  frequency               = 300
  timeout                 = 30
  retry_enabled           = true
  geo_locations           = ["emea-nl-ams-azr", "emea-gb-db3-azr", "us-va-ash-azr", "us-ca-sjc-azr", "apac-sg-sin-azr"]
  tags                    = local.tags

  request {
    url                              = "https://${local.public_hosts.production}${local.health_path}"
    http_verb                        = "GET"
    follow_redirects_enabled         = false
    parse_dependent_requests_enabled = false
  }

  validation_rules {
    expected_status_code        = 200
    ssl_check_enabled           = true
    ssl_cert_remaining_lifetime = 14

    # "degraded" is up: readers are served. Anything else than the two is not this service answering.
    content {
      content_match      = "\"status\""
      pass_if_text_found = true
    }
  }
}
