# The service's own settings; each becomes the environment variable of the same meaning.

variable "read_role" {
  description = "Who may read the catalogue: public, user or admin."
  type        = string
  default     = "public"

  validation {
    condition     = contains(["public", "user", "admin"], var.read_role)
    error_message = "read_role must be public, user or admin."
  }
}

variable "log_level" {
  description = "The least severe log line that is written."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["trace", "debug", "info", "warn", "error", "fatal", "silent"], var.log_level)
    error_message = "log_level must be trace, debug, info, warn, error, fatal or silent."
  }
}

variable "cors_origin" {
  description = "The origin that browsers may call from; null for the service's default."
  type        = string
  default     = null
}

variable "rate_limit_max" {
  description = "Requests a minute for each address; null for the service's default."
  type        = number
  default     = null
}

variable "firebase" {
  description = "Sign-in through Firebase; null for the built-in accounts. The service account's JSON goes into the vault by hand, see docs/deploy.md."
  type = object({
    project_id = string
    api_key    = string
  })
  default = null
}

variable "admin_email" {
  description = "Makes or promotes the first admin at start; null for none."
  type        = string
  default     = null
}

variable "admin_password" {
  description = "The first admin's password. Written to the vault when secrets_version changes, and kept nowhere else."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = (var.admin_email == null) == (var.admin_password == null)
    error_message = "admin_email and admin_password go together: set both or none."
  }

  validation {
    condition     = var.admin_password == null || length(coalesce(var.admin_password, "-")) >= 12
    error_message = "admin_password must be 12 characters or more."
  }
}

variable "jwt_secret" {
  description = "Signs the access tokens. Needed by every run, written to the vault only when secrets_version changes."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.jwt_secret) >= 32
    error_message = "jwt_secret must be 32 characters or more: openssl rand -base64 48."
  }
}

variable "secrets_version" {
  description = "Raise it by one to write jwt_secret and admin_password anew."
  type        = number
  default     = 1

  validation {
    condition     = var.secrets_version >= 1 && floor(var.secrets_version) == var.secrets_version
    error_message = "secrets_version must be a whole number from 1."
  }
}
