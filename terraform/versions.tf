terraform {
  # Write-only arguments, which keep secrets out of the state, came with Terraform 1.11.
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.73"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.12"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id

  # The extended set has everything used here but the two named below it.
  # EventGrid is in it: without it the blob trigger cannot subscribe to the storage account.
  resource_provider_registrations = "extended"
  resource_providers_to_register  = ["Microsoft.AlertsManagement", "Microsoft.Portal"]

  # The storage account refuses shared keys, so the provider has to use Entra ID as well.
  storage_use_azuread = true

  features {
    key_vault {
      # The vault is under purge protection: asking to purge it would only fail the destroy.
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }

    # What would need the account's data plane is not used here, and Terraform may stand outside its network.
    storage {
      data_plane_available = false
    }

    resource_group {
      prevent_deletion_if_contains_resources = var.deletion_protection
    }
  }
}
