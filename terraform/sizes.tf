# How big each part is. The arithmetic behind the numbers is in docs/scaling.md.

variable "plan_sku" {
  description = "The App Service plan. Staging slots and autoscale need Standard or better."
  type        = string
  default     = "P0v3"

  validation {
    condition     = can(regex("^(S[1-3]|P[1-3]v2|P[0-3]v3|P[1-5]mv3|P[0-3]v4|P[1-5]mv4)$", var.plan_sku))
    error_message = "plan_sku must be a Standard or Premium plan, such as S1, P0v3 or P1v4."
  }
}

variable "workers" {
  description = "The processes in each instance that answer requests: a number, or auto for one for each vCPU."
  type        = string
  default     = "1"

  validation {
    condition     = can(regex("^(auto|[1-9][0-9]?)$", var.workers))
    error_message = "workers must be a number from 1 to 99, or auto."
  }
}

variable "instances" {
  description = "The fewest and the most instances that autoscale keeps."
  type = object({
    minimum = number
    maximum = number
  })
  default = {
    minimum = 2
    maximum = 6
  }

  validation {
    condition     = var.instances.minimum >= 1 && var.instances.maximum >= var.instances.minimum && var.instances.maximum <= 30
    error_message = "instances must satisfy 1 <= minimum <= maximum <= 30."
  }
}

variable "zone_redundant" {
  description = "Spreads instances, database, registry and backups over availability zones. Premium plans only, with two instances or more."
  type        = bool
  default     = false

  validation {
    condition     = !var.zone_redundant || (startswith(var.plan_sku, "P") && var.instances.minimum >= 2)
    error_message = "zone_redundant needs a Premium plan and a minimum of 2 instances."
  }
}

variable "sql_sku" {
  description = "The database: GP_S_* is serverless. A fixed size such as GP_Gen5_4 or S1 ignores sql_min_capacity and sql_auto_pause_minutes."
  type        = string
  default     = "GP_S_Gen5_2"

  validation {
    condition     = can(regex("^((GP_S|GP|HS_S|HS|BC)_Gen5_[0-9]+|S[0-9]{1,2}|P[0-9]{1,2})$", var.sql_sku))
    error_message = "sql_sku must be a size such as GP_S_Gen5_2, GP_Gen5_4 or S1."
  }
}

variable "sql_min_capacity" {
  description = "The fewest vCores of a serverless database that is awake; from GP_S_Gen5_6 on an eighth of its vCores at least."
  type        = number
  default     = 0.5

  validation {
    condition     = var.sql_min_capacity >= 0.5
    error_message = "sql_min_capacity must be 0.5 or more."
  }
}

variable "sql_auto_pause_minutes" {
  description = "Idle minutes before a serverless database pauses; -1 never pauses it. GP_S_* only: Hyperscale does not pause."
  type        = number
  default     = 60

  validation {
    condition     = var.sql_auto_pause_minutes == -1 || (var.sql_auto_pause_minutes >= 15 && var.sql_auto_pause_minutes <= 10080)
    error_message = "sql_auto_pause_minutes must be -1, or 15 to 10080."
  }
}

variable "sql_max_size_gb" {
  description = "The most that a GP_* or BC_* database may grow to, in GB; the other tiers have sizes of their own."
  type        = number
  default     = 32

  validation {
    condition     = var.sql_max_size_gb >= 1
    error_message = "sql_max_size_gb must be 1 or more."
  }
}

variable "sql_backup_days" {
  description = "For how many days the database can be restored to any moment."
  type        = number
  default     = 14

  validation {
    condition     = var.sql_backup_days >= 7 && var.sql_backup_days <= 35
    error_message = "sql_backup_days must be 7 to 35."
  }
}

variable "sql_maintenance" {
  description = "When Azure may restart the database: default (17 to 8 o'clock), weekdays (Monday to Thursday, 22 to 6) or weekends (Friday to Sunday, 22 to 6). S0 and S1 have the default alone."
  type        = string
  default     = "default"

  validation {
    condition     = contains(["default", "weekdays", "weekends"], var.sql_maintenance)
    error_message = "sql_maintenance must be default, weekdays or weekends."
  }
}

variable "geo_redundant_backups" {
  description = "Keeps the backups and the uploaded files in the paired region too; a region without a pair needs false."
  type        = bool
  default     = true
}

locals {
  backup_redundancy = var.geo_redundant_backups ? (var.zone_redundant ? "GeoZone" : "Geo") : (var.zone_redundant ? "Zone" : "Local")
}

variable "registry_sku" {
  description = "Basic, Standard or Premium; null for Premium in the private layout, which needs it for private endpoints, and else Standard."
  type        = string
  default     = null

  validation {
    condition     = var.registry_sku == null || contains(["Basic", "Standard", "Premium"], coalesce(var.registry_sku, "-"))
    error_message = "registry_sku must be Basic, Standard, Premium or null."
  }
}

variable "redis_sku" {
  description = "The Azure Managed Redis size. B0 has 0.5 GB; the product's keys need tens of MB."
  type        = string
  default     = "Balanced_B0"

  validation {
    condition     = can(regex("^(Balanced_B|ComputeOptimized_X|MemoryOptimized_M)[0-9]+$", var.redis_sku))
    error_message = "redis_sku must be a Balanced_B*, ComputeOptimized_X* or MemoryOptimized_M* size."
  }
}

variable "redis_high_availability" {
  description = "Keeps a replica. Without one a failure of Redis makes reads slower, never wrong."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "How long logs and telemetry are kept. The first 30 days are in the price of ingestion."
  type        = number
  default     = 30

  validation {
    condition     = contains([30, 60, 90, 120, 180, 270, 365, 550, 730], var.log_retention_days)
    error_message = "log_retention_days must be 30, 60, 90, 120, 180, 270, 365, 550 or 730."
  }
}

variable "log_daily_quota_gb" {
  description = "The most that is ingested in a day, in GB: a bound on the cost of a log storm."
  type        = number
  default     = 2

  validation {
    condition     = var.log_daily_quota_gb == -1 || var.log_daily_quota_gb >= 0.023
    error_message = "log_daily_quota_gb must be -1 (no bound), or 0.023 or more."
  }
}

variable "p95_milliseconds" {
  description = "The 95th percentile of response time above which the alert fires."
  type        = number
  default     = 500

  validation {
    condition     = var.p95_milliseconds > 0
    error_message = "p95_milliseconds must be more than 0."
  }
}
