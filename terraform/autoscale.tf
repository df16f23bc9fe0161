locals {
  # One more instance quickly, one fewer slowly; the gap between the two thresholds keeps it from swinging.
  scale_rules = {
    out = { operator = "GreaterThan", threshold = 65, window = "PT5M", direction = "Increase", cooldown = "PT3M" }
    in  = { operator = "LessThan", threshold = 25, window = "PT15M", direction = "Decrease", cooldown = "PT10M" }
  }
}

resource "azurerm_monitor_autoscale_setting" "main" {
  name                = "autoscale-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  target_resource_id  = azurerm_service_plan.main.id
  tags                = local.tags

  profile {
    name = "cpu"

    capacity {
      default = var.instances.minimum
      minimum = var.instances.minimum
      maximum = var.instances.maximum
    }

    dynamic "rule" {
      for_each = local.scale_rules

      content {
        metric_trigger {
          metric_name        = "CpuPercentage"
          metric_resource_id = azurerm_service_plan.main.id
          operator           = rule.value.operator
          threshold          = rule.value.threshold
          statistic          = "Average"
          time_aggregation   = "Average"
          time_grain         = "PT1M"
          time_window        = rule.value.window
        }

        scale_action {
          direction = rule.value.direction
          type      = "ChangeCount"
          value     = 1
          cooldown  = rule.value.cooldown
        }
      }
    }
  }

  notification {
    email {
      custom_emails = var.alert_emails
    }
  }
}
