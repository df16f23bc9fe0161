# Names and addresses only; no output holds a secret.

output "url" {
  description = "Where the service answers; GitHub variable AZURE_URL."
  value       = "https://${local.public_hosts.production}"
}

output "staging_url" {
  description = "Where the next version is tried before the swap; GitHub variable AZURE_STAGING_URL."
  value       = "https://${local.public_hosts.staging}"
}

output "resource_group" {
  description = "The resource group; GitHub variable AZURE_RESOURCE_GROUP."
  value       = azurerm_resource_group.main.name
}

output "app_name" {
  description = "The web app; GitHub variable AZURE_APP_NAME."
  value       = azurerm_linux_web_app.main.name
}

output "registry" {
  description = "The registry's host name; GitHub variable AZURE_REGISTRY."
  value       = azurerm_container_registry.main.login_server
}

output "deploy_client_id" {
  description = "The deploy workflow's identity; GitHub variable AZURE_CLIENT_ID."
  value       = azurerm_user_assigned_identity.deploy.client_id
}

output "tenant_id" {
  description = "The Entra tenant; GitHub variable AZURE_TENANT_ID."
  value       = data.azurerm_client_config.current.tenant_id
}

output "sql_server" {
  description = "The SQL server's host name, for the SQL step of docs/deploy.md."
  value       = azurerm_mssql_server.main.fully_qualified_domain_name
}

output "sql_user_app" {
  description = "The SQL user to create for the service: its identity's name."
  value       = azurerm_user_assigned_identity.app.name
}

output "sql_user_factory" {
  description = "The SQL user to create for Data Factory: the factory's name."
  value       = azurerm_data_factory.main.name
}

output "key_vault" {
  description = "The vault, for secrets that are put there by hand."
  value       = azurerm_key_vault.main.name
}

output "storage_account" {
  description = "The account whose container imports takes the CSV files."
  value       = azurerm_storage_account.main.name
}
