data "azurerm_client_config" "current" {}

locals {
  name = "${var.name}-${var.environment}"

  # Some names are taken world-wide. Six digits of a hash keep them apart without a random resource,
  # so that the plan already shows the final names.
  suffix  = substr(sha256("${var.subscription_id}/${local.name}"), 0, 6)
  compact = replace(local.name, "-", "")

  # The name that the service gives itself in traces and metrics; the alerts look for it.
  service_name         = "anime-api"
  staging_service_name = "anime-api-staging"

  # The service's counter of answers that the auditor found to be stale. Its only good value is 0.
  stale_reads_metric = "anime_api.cache.stale_reads"

  tags = merge(var.tags, {
    product     = var.name
    environment = var.environment
    managed-by  = "terraform"
  })
}

resource "azurerm_resource_group" "main" {
  name     = "rg-${local.name}"
  location = var.location
  tags     = local.tags
}

# The one identity of the running service: it pulls the image, reads the secrets and signs in to SQL.
# User-assigned, so that it exists before the app and both slots share it.
resource "azurerm_user_assigned_identity" "app" {
  name                = "id-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}
