# The network of the service. All that it sends goes through the subnet "app"; in the private layout the
# data answers in the subnet "endpoints" and nowhere else. Not private, SQL and the vault still answer this
# subnet alone, by free service endpoints, so that no rule has to let all of Azure in.

locals {
  # From outside the network a person's own addresses, and none when there are none.
  public_access = !var.private_network || length(var.operator_ips) > 0

  # Who may call, in the order of Azure's rules. VirtualNetwork means peered and VPN networks too.
  endpoint_ports = ["443", "1433", "10000"]
}

resource "azurerm_virtual_network" "main" {
  name                = "vnet-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  address_space       = [var.address_space]
  tags                = local.tags
}

resource "azurerm_subnet" "app" {
  name                 = "app"
  resource_group_name  = azurerm_resource_group.main.name
  virtual_network_name = azurerm_virtual_network.main.name
  address_prefixes     = [cidrsubnet(var.address_space, 2, 0)]
  service_endpoints    = var.private_network ? [] : ["Microsoft.KeyVault", "Microsoft.Sql"]

  # An instance takes an address, two while the plan changes its size: 59 are enough for 29 instances.
  delegation {
    name = "app-service"

    service_delegation {
      name    = "Microsoft.Web/serverFarms"
      actions = ["Microsoft.Network/virtualNetworks/subnets/action"]
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  count = var.private_network ? 1 : 0

  name                            = "endpoints"
  resource_group_name             = azurerm_resource_group.main.name
  virtual_network_name            = azurerm_virtual_network.main.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, 1)]
  default_outbound_access_enabled = false

  # Without this the rules below would not hold for private endpoints.
  private_endpoint_network_policies = "NetworkSecurityGroupEnabled"
}

# The service opens connections to what it uses and accepts none here: readers come by the platform's front end.
resource "azurerm_network_security_group" "app" {
  name                = "nsg-app-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags

  # HTTPS, SQL with the ports that it redirects to, Redis.
  security_rule {
    name                       = "what-the-service-calls"
    direction                  = "Outbound"
    priority                   = 100
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_ranges    = ["443", "1433", "10000", "11000-11999"]
  }

  dynamic "security_rule" {
    for_each = toset(["Inbound", "Outbound"])

    content {
      name                       = "nothing-else-${lower(security_rule.key)}"
      direction                  = security_rule.key
      priority                   = 200
      access                     = "Deny"
      protocol                   = "*"
      source_address_prefix      = "*"
      source_port_range          = "*"
      destination_address_prefix = "*"
      destination_port_range     = "*"
    }
  }
}

resource "azurerm_network_security_group" "endpoints" {
  count = var.private_network ? 1 : 0

  name                = "nsg-endpoints-${local.name}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags

  security_rule {
    name                       = "from-this-network"
    direction                  = "Inbound"
    priority                   = 100
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "VirtualNetwork"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_ranges    = local.endpoint_ports
  }

  dynamic "security_rule" {
    for_each = toset(["Inbound", "Outbound"])

    content {
      name                       = "nothing-else-${lower(security_rule.key)}"
      direction                  = security_rule.key
      priority                   = 200
      access                     = "Deny"
      protocol                   = "*"
      source_address_prefix      = "*"
      source_port_range          = "*"
      destination_address_prefix = "*"
      destination_port_range     = "*"
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "app" {
  subnet_id                 = azurerm_subnet.app.id
  network_security_group_id = azurerm_network_security_group.app.id
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  count = var.private_network ? 1 : 0

  subnet_id                 = azurerm_subnet.endpoints[0].id
  network_security_group_id = azurerm_network_security_group.endpoints[0].id
}
