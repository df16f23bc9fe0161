resource "azurerm_storage_account" "main" {
  name                            = "st${substr(local.compact, 0, 16)}${local.suffix}"
  resource_group_name             = azurerm_resource_group.main.name
  location                        = azurerm_resource_group.main.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = { Local = "LRS", Zone = "ZRS", Geo = "GRS", GeoZone = "GZRS" }[local.backup_redundancy]
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  local_user_enabled              = false
  public_network_access_enabled   = local.public_access
  tags                            = local.tags

  blob_properties {
    delete_retention_policy {
      days = 14
    }

    container_delete_retention_policy {
      days = 14
    }
  }

  # The service keeps nothing here. Data Factory reads by an endpoint of its own, in both layouts.
  network_rules {
    default_action = "Deny"
    bypass         = ["AzureServices"]
    ip_rules       = values(var.operator_ips)
  }

  # No key can sign one; this is for the day that keys are switched on.
  sas_policy {
    expiration_period = "00.01:00:00"
  }
}

# A CSV that lands here is imported.
resource "azurerm_storage_container" "imports" {
  name                  = "imports"
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

# The rows that the copy could not read, one file for each run.
resource "azurerm_storage_container" "rejects" {
  name                  = "rejects"
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "main" {
  storage_account_id = azurerm_storage_account.main.id

  rule {
    name    = "forget-after-90-days"
    enabled = true

    filters {
      blob_types   = ["blockBlob", "appendBlob"]
      prefix_match = ["${azurerm_storage_container.imports.name}/", "${azurerm_storage_container.rejects.name}/"]
    }

    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 90
      }
    }
  }
}

resource "azurerm_role_assignment" "operator_uploads" {
  scope                = azurerm_storage_container.imports.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_role_assignment" "factory_reads" {
  scope                            = azurerm_storage_account.main.id
  role_definition_name             = "Storage Blob Data Reader"
  principal_id                     = azurerm_data_factory.main.identity[0].principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}

resource "azurerm_role_assignment" "factory_writes_rejects" {
  scope                            = azurerm_storage_container.rejects.id
  role_definition_name             = "Storage Blob Data Contributor"
  principal_id                     = azurerm_data_factory.main.identity[0].principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}
