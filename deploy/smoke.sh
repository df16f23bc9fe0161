#!/usr/bin/env bash
# Asks a running service the few questions that tell whether it works: smoke.sh URL
# Exit 0: it does. Exit 1: it does not, and the last line says what is wrong.
set -euo pipefail
url=${1:?usage: smoke.sh URL}
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

# Up to four minutes: a new container starts, and a paused database takes a minute to resume (503).
ask() {
  curl --silent --show-error --max-time 30 --retry 24 --retry-delay 10 --retry-max-time 240 \
    --retry-all-errors --dump-header "$headers" --output /dev/null --write-out '%{http_code}' "$@" || true
}

expect() {
  local what=$1 wanted=$2 got=$3
  if [[ ! "$got" =~ ^($wanted)$ ]]; then
    echo "smoke test failed: $what answered $got, wanted $wanted"
    exit 1
  fi
  echo "$what: $got"
}

expect 'GET /health/ready' 200 "$(ask "$url/health/ready")"
expect 'GET /openapi.json' 200 "$(ask "$url/openapi.json")"

# 401 where READ_ROLE keeps the catalogue to members.
list=$(ask "$url/v1/animes?limit=1")
expect 'GET /v1/animes?limit=1' '200|401' "$list"

if [[ $list == 200 ]]; then
  etag=$(tr -d '\r' < "$headers" | sed -n 's/^[Ee][Tt]ag: *//p' | tail -n 1)
  expect 'the same with its ETag' 304 "$(ask --header "If-None-Match: $etag" "$url/v1/animes?limit=1")"
fi

expect 'POST /v1/animes without a token' 401 "$(ask --request POST --header 'content-type: application/json' --data '{}' "$url/v1/animes")"
echo "smoke test passed: $url"
