#!/usr/bin/env bash
# Approves Data Factory's private endpoints where they wait, at the SQL server and the storage account:
# approve.sh GROUP FACTORY. Run once after the first apply; without it an import cannot reach them.
set -euo pipefail
usage='usage: approve.sh GROUP FACTORY'
group=${1:?$usage} factory=${2:?$usage}

# Azure names each after its factory, so nobody else's endpoint is approved along with them.
connections() {
  az network private-endpoint-connection list --resource-group "$group" --type "$1" --name "$2" --output tsv \
    --query "[?contains(properties.privateEndpoint.id, '$factory') && properties.privateLinkServiceConnectionState.status == '$3'].id"
}

approved=0
for type in Microsoft.Sql/servers Microsoft.Storage/storageAccounts; do
  for name in $(az resource list --resource-group "$group" --resource-type "$type" --query '[].name' --output tsv); do
    for id in $(connections "$type" "$name" Pending); do
      az network private-endpoint-connection approve --id "$id" --description "Data Factory $factory" --output none
      echo "approved: $name"
    done
    [[ -z $(connections "$type" "$name" Approved) ]] || approved=$((approved + 1))
  done
done
if ((approved < 2)); then
  echo "approve.sh: $approved of 2 endpoints of $factory are approved; they appear minutes after the apply"
  exit 1
fi
