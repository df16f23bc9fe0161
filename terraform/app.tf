resource "azurerm_service_plan" "main" {
  name                   = "asp-${local.name}"
  resource_group_name    = azurerm_resource_group.main.name
  location               = azurerm_resource_group.main.location
  os_type                = "Linux"
  sku_name               = var.plan_sku
  worker_count           = var.instances.minimum
  zone_balancing_enabled = var.zone_redundant
  tags                   = local.tags

  lifecycle {
    # Autoscale owns the number of instances after the first apply.
    ignore_changes = [worker_count]
  }
}

resource "azurerm_linux_web_app" "main" {
  name                            = "app-${local.name}-${local.suffix}"
  resource_group_name             = azurerm_resource_group.main.name
  location                        = azurerm_resource_group.main.location
  service_plan_id                 = azurerm_service_plan.main.id
  https_only                      = true
  client_affinity_enabled         = false
  key_vault_reference_identity_id = azurerm_user_assigned_identity.app.id
  app_settings                    = merge(local.app_settings, { OTEL_SERVICE_NAME = local.service_name })
  tags                            = local.tags

  # Everything that the service sends goes through its subnet, the pull of its image too.
  virtual_network_subnet_id = azurerm_subnet.app.id
  vnet_image_pull_enabled   = true

  # Deployment goes through the registry alone.
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  site_config {
    always_on                                     = true
    http2_enabled                                 = true
    vnet_route_all_enabled                        = true
    minimum_tls_version                           = var.tls_minimum
    scm_minimum_tls_version                       = "1.3"
    scm_ip_restriction_default_action             = "Deny"
    ip_restriction_default_action                 = var.front_door == null ? "Allow" : "Deny"
    ftps_state                                    = "Disabled"
    use_32_bit_worker                             = false
    health_check_path                             = local.health_path
    health_check_eviction_time_in_min             = 2
    container_registry_use_managed_identity       = true
    container_registry_managed_identity_client_id = azurerm_user_assigned_identity.app.client_id

    application_stack {
      docker_registry_url = local.registry_url
      docker_image_name   = local.first_image
    }

    dynamic "scm_ip_restriction" {
      for_each = var.operator_ips

      content {
        name       = scm_ip_restriction.key
        ip_address = "${scm_ip_restriction.value}/32"
        action     = "Allow"
        priority   = 100
      }
    }

    dynamic "ip_restriction" {
      for_each = var.front_door == null ? [] : ["front-door"]

      content {
        name        = ip_restriction.value
        service_tag = "AzureFrontDoor.Backend"
        action      = "Allow"
        priority    = 100

        headers {
          x_azure_fdid = [azurerm_cdn_frontdoor_profile.main[0].resource_guid]
        }
      }
    }
  }

  logs {
    http_logs {
      file_system {
        retention_in_days = 3
        retention_in_mb   = 35
      }
    }
  }

  # The two slots tell themselves apart in the telemetry; everything else travels with the image.
  sticky_settings {
    app_setting_names = ["OTEL_SERVICE_NAME"]
  }

  lifecycle {
    # The deploy workflow owns the image.
    ignore_changes = [site_config[0].application_stack[0].docker_image_name]
  }

  depends_on = [
    azurerm_managed_redis_access_policy_assignment.app,
    azurerm_private_dns_zone_virtual_network_link.all,
    azurerm_private_endpoint.all,
    azurerm_role_assignment.app_pulls,
    time_sleep.vault_roles,
  ]
}

# The same again: a block cannot come from a local, and an app and a slot are two types. A test compares them.
resource "azurerm_linux_web_app_slot" "staging" {
  name                            = "staging"
  app_service_id                  = azurerm_linux_web_app.main.id
  https_only                      = true
  client_affinity_enabled         = false
  key_vault_reference_identity_id = azurerm_user_assigned_identity.app.id
  app_settings                    = merge(local.app_settings, { OTEL_SERVICE_NAME = local.staging_service_name })
  tags                            = local.tags

  virtual_network_subnet_id = azurerm_subnet.app.id
  vnet_image_pull_enabled   = true

  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  site_config {
    always_on                                     = true
    http2_enabled                                 = true
    vnet_route_all_enabled                        = true
    minimum_tls_version                           = var.tls_minimum
    scm_minimum_tls_version                       = "1.3"
    scm_ip_restriction_default_action             = "Deny"
    ip_restriction_default_action                 = var.front_door == null ? "Allow" : "Deny"
    ftps_state                                    = "Disabled"
    use_32_bit_worker                             = false
    health_check_path                             = local.health_path
    health_check_eviction_time_in_min             = 2
    container_registry_use_managed_identity       = true
    container_registry_managed_identity_client_id = azurerm_user_assigned_identity.app.client_id

    application_stack {
      docker_registry_url = local.registry_url
      docker_image_name   = local.first_image
    }

    dynamic "scm_ip_restriction" {
      for_each = var.operator_ips

      content {
        name       = scm_ip_restriction.key
        ip_address = "${scm_ip_restriction.value}/32"
        action     = "Allow"
        priority   = 100
      }
    }

    dynamic "ip_restriction" {
      for_each = var.front_door == null ? [] : ["front-door"]

      content {
        name        = ip_restriction.value
        service_tag = "AzureFrontDoor.Backend"
        action      = "Allow"
        priority    = 100

        headers {
          x_azure_fdid = [azurerm_cdn_frontdoor_profile.main[0].resource_guid]
        }
      }
    }
  }

  logs {
    http_logs {
      file_system {
        retention_in_days = 3
        retention_in_mb   = 35
      }
    }
  }

  lifecycle {
    ignore_changes = [site_config[0].application_stack[0].docker_image_name]
  }
}
