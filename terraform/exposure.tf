# Who may reach what. docs/deploy.md, "The network", says how to work with it.

variable "private_network" {
  description = "Puts SQL, Redis, the vault, the storage and the registry behind private endpoints. false is cheaper, for a test."
  type        = bool
  default     = true
}

variable "address_space" {
  description = "The addresses of the service's own network: a private range of 256 that no network beside it uses."
  type        = string
  default     = "10.20.30.0/24"

  validation {
    condition     = can(cidrsubnet(var.address_space, 2, 3)) && endswith(var.address_space, "/24")
    error_message = "address_space must be a range such as 10.20.30.0/24."
  }
}

variable "operator_ips" {
  description = "Public IPv4 addresses, by a name each, that may reach SQL, vault, storage and registry from outside. Empty, nobody does."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for ip in values(var.operator_ips) : can(cidrhost("${ip}/32", 0))])
    error_message = "operator_ips must be single IPv4 addresses, without a prefix length."
  }
}

variable "tls_minimum" {
  description = "The oldest TLS that readers may speak: 1.3, or 1.2 where an old client has to be served."
  type        = string
  default     = "1.3"

  validation {
    condition     = contains(["1.2", "1.3"], var.tls_minimum)
    error_message = "tls_minimum must be 1.2 or 1.3."
  }
}

variable "custom_domain" {
  description = "The service's own host name, such as api.example.com, with a certificate that Azure renews; null for Azure's name."
  type        = string
  default     = null

  validation {
    condition     = var.custom_domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.){2,}[a-z]{2,}$", var.custom_domain))
    error_message = "custom_domain must be a host name below a domain, such as api.example.com."
  }
}

variable "front_door" {
  description = "Front Door with a firewall before the service: Standard (rate limit), Premium (and Microsoft's rules), or null for none."
  type        = string
  default     = null

  validation {
    condition     = var.front_door == null || contains(["Standard", "Premium"], coalesce(var.front_door, "-"))
    error_message = "front_door must be Standard, Premium or null."
  }
}

variable "front_door_rate_limit" {
  description = "Requests a minute from one address above which Front Door answers 403."
  type        = number
  default     = 3000

  validation {
    condition     = var.front_door_rate_limit >= 10
    error_message = "front_door_rate_limit must be 10 or more."
  }
}
