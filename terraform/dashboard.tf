# The four charts of the original, from the same source as its own: requests, response time, failures, availability.

locals {
  # How the portal spells an aggregation.
  aggregation = { average = 4, count = 7 }

  charts = [
    { title = "Requests", metric = "requests/count", aggregation = local.aggregation.count, color = "#0078D4" },
    { title = "Response time", metric = "requests/duration", aggregation = local.aggregation.average, color = "#8764B8" },
    { title = "Failures", metric = "requests/failed", aggregation = local.aggregation.count, color = "#D13438" },
    { title = "Availability", metric = "availabilityResults/availabilityPercentage", aggregation = local.aggregation.average, color = "#107C10" },
  ]

  # Two by two, each six columns wide and four rows high.
  dashboard_parts = {
    for i, chart in local.charts : tostring(i) => {
      position = { x = (i % 2) * 6, y = floor(i / 2) * 4, colSpan = 6, rowSpan = 4 }
      metadata = {
        type   = "Extension/HubsExtension/PartType/MonitorChartPart"
        inputs = [{ name = "options", isOptional = true }, { name = "sharedTimeRange", isOptional = true }]
        settings = {
          content = {
            options = {
              chart = {
                title     = chart.title
                titleKind = 2
                metrics = [{
                  resourceMetadata    = { id = azurerm_application_insights.main.id }
                  name                = chart.metric
                  namespace           = "microsoft.insights/components"
                  aggregationType     = chart.aggregation
                  metricVisualization = { displayName = chart.title, color = chart.color }
                }]
                visualization = {
                  chartType           = 2
                  legendVisualization = { isVisible = true, position = 2, hideSubtitle = true }
                  axisVisualization = {
                    x = { isVisible = true, axisType = 2 }
                    y = { isVisible = true, axisType = 1 }
                  }
                  disablePinning = true
                }
              }
            }
          }
        }
      }
    }
  }
}

resource "azurerm_portal_dashboard" "main" {
  name                = "dash-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = merge(local.tags, { hidden-title = "${var.name} (${var.environment})" })

  dashboard_properties = jsonencode({
    lenses   = { "0" = { order = 0, parts = local.dashboard_parts } }
    metadata = { model = { timeRange = { type = "MsPortalFx.Composition.Configuration.ValueTypes.TimeRange", value = { relative = { duration = 24, timeUnit = 1 } } } } }
  })
}
