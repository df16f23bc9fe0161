# Front Door with a web application firewall, when var.front_door names its tier. Both slots stand behind it,
# else the staging slot would be a way around the firewall to the same data.

locals {
  front_door_sku   = "${coalesce(var.front_door, "Standard")}_AzureFrontDoor"
  front_door_count = var.front_door == null ? 0 : 1
  front_door_sites = {
    for name, host in {
      production = azurerm_linux_web_app.main.default_hostname
      staging    = azurerm_linux_web_app_slot.staging.default_hostname
    } : name => host if var.front_door != null
  }
  front_door_domains = var.front_door == null || var.custom_domain == null ? [] : [var.custom_domain]

  # Where readers come in, with the custom domain where there is one.
  public_hosts = {
    production = coalesce(var.custom_domain, try(azurerm_cdn_frontdoor_endpoint.main["production"].host_name, azurerm_linux_web_app.main.default_hostname))
    staging    = try(azurerm_cdn_frontdoor_endpoint.main["staging"].host_name, azurerm_linux_web_app_slot.staging.default_hostname)
  }
}

resource "azurerm_cdn_frontdoor_profile" "main" {
  count = local.front_door_count

  name                = "afd-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  sku_name            = local.front_door_sku
  tags                = local.tags

  # A whole list of two million titles is streamed for longer than the default of 120 s.
  response_timeout_seconds = 240
}

resource "azurerm_cdn_frontdoor_endpoint" "main" {
  for_each = local.front_door_sites

  name                     = "${local.name}-${each.key}"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.main[0].id
  tags                     = local.tags
}

# No health probe: with one origin it decides nothing, and a hundred edges would ask.
resource "azurerm_cdn_frontdoor_origin_group" "main" {
  for_each = local.front_door_sites

  name                     = each.key
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.main[0].id
  session_affinity_enabled = false

  load_balancing {}
}

resource "azurerm_cdn_frontdoor_origin" "main" {
  for_each = local.front_door_sites

  name                           = each.key
  cdn_frontdoor_origin_group_id  = azurerm_cdn_frontdoor_origin_group.main[each.key].id
  host_name                      = each.value
  origin_host_header             = each.value
  certificate_name_check_enabled = true
}

resource "azurerm_cdn_frontdoor_custom_domain" "main" {
  for_each = toset(local.front_door_domains)

  name                     = replace(each.value, ".", "-")
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.main[0].id
  host_name                = each.value

  tls {
    certificate_type = "ManagedCertificate"
  }
}

# Front Door caches nothing: a copy out there would be stale after a write.
resource "azurerm_cdn_frontdoor_route" "main" {
  for_each = local.front_door_sites

  name                            = each.key
  cdn_frontdoor_endpoint_id       = azurerm_cdn_frontdoor_endpoint.main[each.key].id
  cdn_frontdoor_origin_group_id   = azurerm_cdn_frontdoor_origin_group.main[each.key].id
  cdn_frontdoor_origin_ids        = [azurerm_cdn_frontdoor_origin.main[each.key].id]
  cdn_frontdoor_custom_domain_ids = each.key == "production" ? [for domain in azurerm_cdn_frontdoor_custom_domain.main : domain.id] : []
  patterns_to_match               = ["/*"]
  supported_protocols             = ["Http", "Https"]
  https_redirect_enabled          = true
  forwarding_protocol             = "HttpsOnly"
}

resource "azurerm_cdn_frontdoor_firewall_policy" "main" {
  count = local.front_door_count

  name                = "waf${local.compact}"
  resource_group_name = azurerm_resource_group.main.name
  sku_name            = local.front_door_sku
  mode                = "Prevention"
  tags                = local.tags

  custom_rule {
    name                           = "RateByAddress"
    type                           = "RateLimitRule"
    action                         = "Block"
    priority                       = 100
    rate_limit_duration_in_minutes = 1
    rate_limit_threshold           = var.front_door_rate_limit

    # Every request has a slash.
    match_condition {
      match_variable = "RequestUri"
      operator       = "Contains"
      match_values   = ["/"]
    }
  }

  dynamic "managed_rule" {
    for_each = var.front_door == "Premium" ? [["Microsoft_DefaultRuleSet", "2.1"], ["Microsoft_BotManagerRuleSet", "1.1"]] : []

    content {
      type    = managed_rule.value[0]
      version = managed_rule.value[1]
      action  = "Block"
    }
  }
}

resource "azurerm_cdn_frontdoor_security_policy" "main" {
  count = local.front_door_count

  name                     = "waf"
  cdn_frontdoor_profile_id = azurerm_cdn_frontdoor_profile.main[0].id

  security_policies {
    firewall {
      cdn_frontdoor_firewall_policy_id = azurerm_cdn_frontdoor_firewall_policy.main[0].id

      association {
        patterns_to_match = ["/*"]

        dynamic "domain" {
          for_each = merge(azurerm_cdn_frontdoor_endpoint.main, azurerm_cdn_frontdoor_custom_domain.main)

          content {
            cdn_frontdoor_domain_id = domain.value.id
          }
        }
      }
    }
  }
}
