resource "azurerm_monitor_action_group" "operators" {
  name                = "operators-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  short_name          = substr(local.compact, 0, 12)
  tags                = local.tags

  dynamic "email_receiver" {
    for_each = toset(var.alert_emails)

    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }

  dynamic "webhook_receiver" {
    for_each = var.alert_webhooks

    content {
      name                    = webhook_receiver.key
      service_uri             = webhook_receiver.value
      use_common_alert_schema = true
    }
  }
}

# Azure's own troubles in this region and with these parts, so that nobody looks for them in the service.
resource "azurerm_monitor_activity_log_alert" "azure" {
  for_each = toset(["ServiceHealth", "ResourceHealth"])

  name                = "azure-${lower(each.key)}-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = "global"
  scopes              = [each.key == "ServiceHealth" ? "/subscriptions/${var.subscription_id}" : azurerm_resource_group.main.id]
  description         = each.key == "ServiceHealth" ? "Azure has an incident or a maintenance in this region." : "A part is not well, and Azure is the cause."
  tags                = local.tags

  criteria {
    category = each.key

    dynamic "service_health" {
      for_each = each.key == "ServiceHealth" ? [1] : []

      content {
        events    = ["Incident", "Maintenance", "Security"]
        locations = [local.region_name, "Global"]
      }
    }

    dynamic "resource_health" {
      for_each = each.key == "ResourceHealth" ? [1] : []

      content {
        current = ["Degraded", "Unavailable"]
        reason  = ["PlatformInitiated"]
      }
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}

resource "azurerm_monitor_metric_alert" "availability" {
  name                = "availability-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [azurerm_application_insights_standard_web_test.ready.id, azurerm_application_insights.main.id]
  description         = "Three of five places cannot reach the service."
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = local.tags

  application_insights_web_test_location_availability_criteria {
    web_test_id           = azurerm_application_insights_standard_web_test.ready.id
    component_id          = azurerm_application_insights.main.id
    failed_location_count = 3
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}

resource "azurerm_monitor_metric_alert" "import_failed" {
  name                = "import-failed-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [azurerm_data_factory.main.id]
  description         = "An import did not finish; the catalogue is as it was before."
  severity            = 2
  frequency           = "PT5M"
  window_size         = "PT15M"
  tags                = local.tags

  criteria {
    metric_namespace = "Microsoft.DataFactory/factories"
    metric_name      = "PipelineFailedRuns"
    aggregation      = "Total"
    operator         = "GreaterThan"
    threshold        = 0
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}

data "azurerm_location" "main" {
  location = var.location
}

locals {
  # Service health names regions as people do: West Europe.
  region_name = data.azurerm_location.main.display_name

  # Each query gives one row with one number; the alert fires when the number is above the limit.
  # itemCount undoes the sampling: one kept request stands for that many.
  own_requests = <<-KQL
    requests
    | where cloud_RoleName == "${local.service_name}" and name !contains "/health/"
  KQL

  query_alerts = {
    failures = {
      scope       = azurerm_application_insights.main.id
      description = "More than 1 % of the requests failed (5xx), of 20 or more."
      severity    = 1
      limit       = 1
      query       = <<-KQL
        ${chomp(local.own_requests)}
        | summarize total = sum(itemCount), failed = sumif(itemCount, toint(resultCode) >= 500)
        | extend value = iff(total < 20, 0.0, 100.0 * failed / total)
        | project value
      KQL
    }

    p95 = {
      scope       = azurerm_application_insights.main.id
      description = "The 95th percentile of response time is above ${var.p95_milliseconds} ms."
      severity    = 2
      limit       = var.p95_milliseconds
      query       = <<-KQL
        ${chomp(local.own_requests)}
        | summarize value = percentilew(duration, itemCount, 95)
        | project value
      KQL
    }

    stale-reads = {
      scope       = azurerm_application_insights.main.id
      description = "The auditor found an answer that the database could not have given. Its only good value is 0."
      severity    = 0
      limit       = 0
      query       = <<-KQL
        customMetrics
        | where name == "${local.stale_reads_metric}"
        | summarize value = sum(valueSum)
        | project value
      KQL
    }

    log-cap = {
      scope       = azurerm_log_analytics_workspace.main.id
      description = "The day's logs are full (log_daily_quota_gb): until tomorrow the alerts on requests and on stale reads see nothing."
      severity    = 1
      limit       = 0
      query       = <<-KQL
        _LogOperation
        | where Category =~ "Ingestion" and Detail contains "OverQuota"
        | summarize value = count()
      KQL
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "service" {
  for_each = local.query_alerts

  name                    = "${each.key}-${local.name}"
  resource_group_name     = azurerm_resource_group.main.name
  location                = azurerm_resource_group.main.location
  scopes                  = [each.value.scope]
  description             = each.value.description
  severity                = each.value.severity
  evaluation_frequency    = "PT5M"
  window_duration         = "PT15M"
  auto_mitigation_enabled = true
  tags                    = local.tags

  # A new workspace has no customMetrics yet; the rule must not wait for the first one.
  skip_query_validation = true

  criteria {
    query                   = each.value.query
    metric_measure_column   = "value"
    time_aggregation_method = "Maximum"
    operator                = "GreaterThan"
    threshold               = each.value.limit

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = [azurerm_monitor_action_group.operators.id]
  }
}
