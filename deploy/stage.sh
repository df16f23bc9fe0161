#!/usr/bin/env bash
# Puts an image into the staging slot, starts it and asks it the smoke test's questions: stage.sh APP GROUP IMAGE
# It asks at URL where that is set, as behind Front Door, else at the slot's own name.
set -euo pipefail
usage='usage: stage.sh APP GROUP IMAGE'
app=${1:?$usage} group=${2:?$usage} image=${3:?$usage}
slot=(--name "$app" --resource-group "$group" --slot staging)

# Stopped first: otherwise the old container goes on answering and the smoke test would pass it.
az webapp stop "${slot[@]}"
az webapp config container set "${slot[@]}" --container-image-name "$image" --output none
az webapp start "${slot[@]}"

url=${URL:-https://$(az webapp show "${slot[@]}" --query defaultHostName --output tsv)}
echo "url=$url" >> "${GITHUB_OUTPUT:-/dev/null}"
bash "$(dirname "$0")/smoke.sh" "$url"
