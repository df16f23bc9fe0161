# The deploy workflow's identity. GitHub proves with a short-lived token which repository and which of its
# environments is asking; no secret is stored at either end.

locals {
  github_environments = var.github_repository == null ? toset([]) : toset(["staging", "production"])
}

resource "azurerm_user_assigned_identity" "deploy" {
  name                = "id-${local.name}-deploy"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "github" {
  for_each = local.github_environments

  name                      = "github-${each.key}"
  user_assigned_identity_id = azurerm_user_assigned_identity.deploy.id
  issuer                    = "https://token.actions.githubusercontent.com"
  subject                   = "repo:${var.github_repository}:environment:${each.key}"
  audience                  = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "deploy_pushes" {
  scope                            = azurerm_container_registry.main.id
  role_definition_name             = "AcrPush"
  principal_id                     = azurerm_user_assigned_identity.deploy.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}

# Signing in to the registry looks it up first, which pushing alone does not allow.
resource "azurerm_role_assignment" "deploy_finds_registry" {
  scope                            = azurerm_container_registry.main.id
  role_definition_name             = "Reader"
  principal_id                     = azurerm_user_assigned_identity.deploy.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}

# The group, not the app alone: changing a slot also reads the plan beside it.
resource "azurerm_role_assignment" "deploy_changes_app" {
  scope                            = azurerm_resource_group.main.id
  role_definition_name             = "Website Contributor"
  principal_id                     = azurerm_user_assigned_identity.deploy.principal_id
  principal_type                   = "ServicePrincipal"
  skip_service_principal_aad_check = true
}
