# The custom domain on the app itself; with Front Door it belongs there (frontdoor.tf). The two DNS records of
# docs/deploy.md must exist before the apply, since Azure looks for them.

locals {
  app_domains = toset(var.front_door == null && var.custom_domain != null ? [var.custom_domain] : [])
}

resource "azurerm_app_service_custom_hostname_binding" "main" {
  for_each = local.app_domains

  hostname            = each.value
  app_service_name    = azurerm_linux_web_app.main.name
  resource_group_name = azurerm_resource_group.main.name

  lifecycle {
    # The certificate's binding below sets them.
    ignore_changes = [ssl_state, thumbprint]
  }
}

resource "azurerm_app_service_managed_certificate" "main" {
  for_each = local.app_domains

  custom_hostname_binding_id = azurerm_app_service_custom_hostname_binding.main[each.value].id
  tags                       = local.tags
}

resource "azurerm_app_service_certificate_binding" "main" {
  for_each = local.app_domains

  hostname_binding_id = azurerm_app_service_custom_hostname_binding.main[each.value].id
  certificate_id      = azurerm_app_service_managed_certificate.main[each.value].id
  ssl_state           = "SniEnabled"
}
