# Phase 1 in the cloud: a CSV lands in the imports container, six of its twelve columns are copied into
# dbo.animes_staging as raw text, and dbo.import_animes cleans and upserts them and tells the cache.

resource "azurerm_data_factory" "main" {
  name                = "adf-${local.name}-${local.suffix}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags

  # It works inside a network of Azure's and reaches SQL and blobs by private endpoints there, in both layouts.
  managed_virtual_network_enabled = true
  public_network_enabled          = false

  # Its name becomes the name of the SQL user, see docs/deploy.md.
  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_data_factory_integration_runtime_azure" "private" {
  name                    = "private"
  data_factory_id         = azurerm_data_factory.main.id
  location                = azurerm_resource_group.main.location
  virtual_network_enabled = true
}

# Each waits for the owner of its target to approve it: deploy/approve.sh, see docs/deploy.md.
resource "azurerm_data_factory_managed_private_endpoint" "all" {
  for_each = {
    sql   = { id = azurerm_mssql_server.main.id, kind = "sqlServer" }
    blobs = { id = azurerm_storage_account.main.id, kind = "blob" }
  }

  name               = each.key
  data_factory_id    = azurerm_data_factory.main.id
  target_resource_id = each.value.id
  subresource_name   = each.value.kind

  # Its network is made with the first runtime in it.
  depends_on = [azurerm_data_factory_integration_runtime_azure.private]
}

resource "azurerm_data_factory_linked_service_azure_blob_storage" "imports" {
  name                     = "imports"
  data_factory_id          = azurerm_data_factory.main.id
  integration_runtime_name = azurerm_data_factory_integration_runtime_azure.private.name
  service_endpoint         = azurerm_storage_account.main.primary_blob_endpoint
  storage_kind             = azurerm_storage_account.main.account_kind
  use_managed_identity     = true
}

resource "azurerm_data_factory_linked_service_azure_sql_database" "catalogue" {
  name                     = "catalogue"
  data_factory_id          = azurerm_data_factory.main.id
  integration_runtime_name = azurerm_data_factory_integration_runtime_azure.private.name
  use_managed_identity     = true

  # A paused serverless database takes up to a minute to answer.
  connection_string = "Integrated Security=False;Encrypt=True;Connection Timeout=90;Data Source=${azurerm_mssql_server.main.fully_qualified_domain_name};Initial Catalog=${azurerm_mssql_database.main.name}"
}

resource "azurerm_data_factory_dataset_delimited_text" "csv" {
  name                = "anime_csv"
  data_factory_id     = azurerm_data_factory.main.id
  linked_service_name = azurerm_data_factory_linked_service_azure_blob_storage.imports.name
  column_delimiter    = ","
  encoding            = "UTF-8"
  first_row_as_header = true

  # RFC 4180: a quote inside a quoted field is doubled, so it is its own escape.
  quote_character  = "\""
  escape_character = "\""

  # "?" is how the file says unknown. Empty fields stay empty; the procedure treats both alike.
  null_value = "?"

  parameters = {
    path = ""
    file = ""
  }

  azure_blob_storage_location {
    container                = azurerm_storage_container.imports.name
    path                     = "@dataset().path"
    filename                 = "@dataset().file"
    dynamic_path_enabled     = true
    dynamic_filename_enabled = true
  }
}

resource "azurerm_data_factory_dataset_azure_sql_table" "staging" {
  name              = "animes_staging"
  data_factory_id   = azurerm_data_factory.main.id
  linked_service_id = azurerm_data_factory_linked_service_azure_sql_database.catalogue.id
  schema            = "dbo"
  table             = "animes_staging"
}

resource "azurerm_data_factory_pipeline" "import" {
  name            = "import_animes"
  data_factory_id = azurerm_data_factory.main.id
  description     = "Copies a CSV into staging, then cleans and upserts it and tells the cache."

  # Two imports at once would only wait for each other's locks, and each empties the other's staging.
  concurrency = 1

  parameters = {
    folder  = azurerm_storage_container.imports.name
    file    = ""
    replace = "false"
  }

  activities_json = file("${path.module}/pipelines/import_animes.json")

  # The JSON names these, which Terraform cannot see.
  depends_on = [
    azurerm_data_factory_dataset_delimited_text.csv,
    azurerm_data_factory_dataset_azure_sql_table.staging,
  ]
}

resource "azurerm_data_factory_trigger_blob_event" "csv" {
  name                  = "csv_created"
  data_factory_id       = azurerm_data_factory.main.id
  storage_account_id    = azurerm_storage_account.main.id
  events                = ["Microsoft.Storage.BlobCreated"]
  blob_path_begins_with = "/${azurerm_storage_container.imports.name}/blobs/"
  blob_path_ends_with   = ".csv"
  ignore_empty_blobs    = true
  activated             = true

  pipeline {
    name = azurerm_data_factory_pipeline.import.name

    parameters = {
      folder  = "@triggerBody().folderPath"
      file    = "@triggerBody().fileName"
      replace = "false"
    }
  }
}
