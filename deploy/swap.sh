#!/usr/bin/env bash
# Swaps the staging slot into production and asks it the smoke test's questions; if one fails, swaps
# back and ends with 1: swap.sh APP GROUP. It asks at URL where that is set, else at the app's own name.
set -euo pipefail
usage='usage: swap.sh APP GROUP'
app=${1:?$usage} group=${2:?$usage}
site=(--name "$app" --resource-group "$group")

# Waits until /health/ready answers 200 in the slot with production's settings; else it fails and changes nothing.
swap() {
  az webapp deployment slot swap "${site[@]}" --slot staging --target-slot production
}

url=${URL:-https://$(az webapp show "${site[@]}" --query defaultHostName --output tsv)}
echo "url=$url" >> "${GITHUB_OUTPUT:-/dev/null}"
swap
if ! bash "$(dirname "$0")/smoke.sh" "$url"; then
  echo 'swapping back'
  swap
  exit 1
fi
