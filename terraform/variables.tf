# What has to be decided for each installation. The service's own settings are in settings.tf.

variable "subscription_id" {
  description = "The Azure subscription that everything is created in and billed to."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.subscription_id))
    error_message = "subscription_id must be a GUID, as printed by: az account show --query id."
  }
}

variable "name" {
  description = "The product's short name; every resource name is made from it."
  type        = string
  default     = "anime-api"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 20
    error_message = "name must be 3 to 20 lower-case letters, digits and single hyphens, beginning with a letter."
  }
}

variable "environment" {
  description = "Which installation this is, such as prod or test; one state for each."
  type        = string
  default     = "prod"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "environment must be 2 to 8 lower-case letters and digits, beginning with a letter."
  }
}

variable "location" {
  description = "The Azure region, by its short name (az account list-locations -o table)."
  type        = string
  default     = "westeurope"

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location must be a short region name such as westeurope."
  }
}

variable "tags" {
  description = "Tags put on every resource, besides product, environment and managed-by."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Keeps a destroy from deleting a resource group that has resources which are not from here."
  type        = bool
  default     = true
}

variable "sql_admin" {
  description = "The Entra user or (better) group that administers the SQL server; there is no SQL password."
  type = object({
    login     = string
    object_id = string
  })

  validation {
    condition     = var.sql_admin.login != "" && can(regex("^[0-9a-fA-F-]{36}$", var.sql_admin.object_id))
    error_message = "sql_admin wants the group's (or user's) name and its object id, a GUID."
  }
}

variable "github_repository" {
  description = "OWNER@ID/REPOSITORY@ID, or OWNER/REPOSITORY for an old repository, whose deploy workflow may sign in by OIDC; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[\\w.-]+(/[\\w.-]+|@\\d+/[\\w.-]+@\\d+)$", var.github_repository))
    error_message = "github_repository must look like OWNER@ID/REPOSITORY@ID or OWNER/REPOSITORY."
  }
}

variable "alert_emails" {
  description = "Who is told of alerts and of the budget."
  type        = list(string)

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", a))])
    error_message = "alert_emails must be one e-mail address or more."
  }
}

variable "alert_webhooks" {
  description = "Addresses, by a name each, that alerts are posted to as well: a pager's or a chat's."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for uri in values(var.alert_webhooks) : startswith(uri, "https://")])
    error_message = "alert_webhooks must be addresses that begin with https://."
  }
}

variable "platform_limits" {
  description = "Per cent above which an alert fires; a part that is left out has none."
  type        = map(number)
  default     = { plan-cpu = 90, plan-memory = 90, sql-cpu = 90, sql-storage = 85, redis-memory = 85 }

  validation {
    condition = alltrue([
      for name, limit in var.platform_limits :
      contains(["plan-cpu", "plan-memory", "sql-cpu", "sql-storage", "redis-memory"], name) && limit > 0 && limit <= 100
    ])
    error_message = "platform_limits knows plan-cpu, plan-memory, sql-cpu, sql-storage and redis-memory, each 1 to 100."
  }
}

variable "budget_amount" {
  description = "The monthly budget of the resource group, in the billing currency. It warns; it stops nothing."
  type        = number
  default     = 500

  validation {
    condition     = var.budget_amount > 0
    error_message = "budget_amount must be more than 0."
  }
}
