locals {
  registry_url = "https://${azurerm_container_registry.main.login_server}"

  # Only the very first apply uses it, and the registry is empty then: the app waits for the first deployment.
  first_image = "anime-api:first"

  port        = 3000
  health_path = "/health/ready"

  # A Key Vault reference: the platform reads the secret as the app's identity and hands over its value.
  jwt_secret = "@Microsoft.KeyVault(SecretUri=${azurerm_key_vault_secret.jwt_secret.versionless_id})"

  service_settings = {
    NODE_ENV                              = "production"
    HOST                                  = "0.0.0.0"
    PORT                                  = tostring(local.port)
    LOG_LEVEL                             = var.log_level
    DATABASE_URL                          = "mssql://${azurerm_mssql_server.main.fully_qualified_domain_name}:1433/${azurerm_mssql_database.main.name}?encrypt=true&authentication=azure-active-directory-default"
    AZURE_CLIENT_ID                       = azurerm_user_assigned_identity.app.client_id
    AZURE_TOKEN_CREDENTIALS               = "ManagedIdentityCredential"
    REDIS_URL                             = local.redis_url
    JWT_SECRET                            = local.jwt_secret
    READ_ROLE                             = var.read_role
    WORKERS                               = var.workers
    APPLICATIONINSIGHTS_CONNECTION_STRING = azurerm_application_insights.main.connection_string

    # The documented form for a user-assigned identity.
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=${azurerm_user_assigned_identity.app.client_id}"

    # The proxies before the app: the platform's front end, and Front Door.
    TRUST_PROXY = var.front_door == null ? "1" : "2"
  }

  optional_settings = {
    CORS_ORIGIN         = var.cors_origin
    RATE_LIMIT_MAX      = var.rate_limit_max == null ? null : tostring(var.rate_limit_max)
    ADMIN_EMAIL         = var.admin_email
    ADMIN_PASSWORD      = one([for s in azurerm_key_vault_secret.admin_password : "@Microsoft.KeyVault(SecretUri=${s.versionless_id})"])
    FIREBASE_PROJECT_ID = try(var.firebase.project_id, null)
    FIREBASE_API_KEY    = try(var.firebase.api_key, null)

    # The operator puts this secret into the vault; Terraform never sees it. See docs/deploy.md.
    GOOGLE_APPLICATION_CREDENTIALS = var.firebase == null ? null : "@Microsoft.KeyVault(SecretUri=${azurerm_key_vault.main.vault_uri}secrets/firebase-credentials)"
  }

  platform_settings = {
    WEBSITES_PORT                       = tostring(local.port)
    WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false"

    # The service finishes what runs within 10 s of SIGTERM; the platform's default is to kill after 5.
    WEBSITES_CONTAINER_STOP_TIME_LIMIT = "30"

    # No traffic before the service says that it is ready, at start and at a swap: see docs/deploy.md. A
    # container has 600 s for that (the platform's default is 230), since a paused database resumes first.
    WEBSITES_CONTAINER_START_TIME_LIMIT = "600"

    WEBSITE_WARMUP_PATH               = local.health_path
    WEBSITE_WARMUP_STATUSES           = "200"
    WEBSITE_SWAP_WARMUP_PING_PATH     = local.health_path
    WEBSITE_SWAP_WARMUP_PING_STATUSES = "200"

    # The service brings its own telemetry; the platform's agent would count everything twice.
    ApplicationInsightsAgent_EXTENSION_VERSION = "disabled"
  }

  app_settings = merge(
    local.service_settings,
    { for name, value in local.optional_settings : name => value if value != null },
    local.platform_settings,
  )
}
