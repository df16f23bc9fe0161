#!/usr/bin/env bash
# Asks a running service the few questions that tell whether it works: smoke.sh URL
# Exit 0: it does. Exit 1: it does not, and the last line says what is wrong. A question is asked again
# until SMOKE_SECONDS are over (300): a container starts, of which the platform says 403, 404 or 503, and
# a paused database takes a minute to resume.
set -euo pipefail
url=${1:?usage: smoke.sh URL}
limit=${SMOKE_SECONDS:-300}
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

# The status; 000 is no answer at all.
ask() {
  curl --silent --max-time 30 --dump-header "$headers" --output /dev/null --write-out '%{http_code}' "$@" || true
}

# expect WHAT WANTED curl-arguments...
expect() {
  local what=$1 wanted=$2
  shift 2
  while status=$(ask "$@"); [[ ! $status =~ ^($wanted)$ ]]; do
    if ((SECONDS >= limit)); then
      echo "smoke test failed: $what answered $status, wanted $wanted"
      exit 1
    fi
    sleep 5
  done
  echo "$what: $status"
}

expect 'GET /health/ready' 200 "$url/health/ready"
expect 'GET /openapi.json' 200 "$url/openapi.json"

# 401 where READ_ROLE keeps the catalogue to members.
expect 'GET /v1/animes?limit=1' '200|401' "$url/v1/animes?limit=1"
if [[ $status == 200 ]]; then
  etag=$(tr -d '\r' < "$headers" | sed -n 's/^[Ee][Tt]ag: *//p')
  expect 'the same with its ETag' 304 --header "If-None-Match: $etag" "$url/v1/animes?limit=1"
fi

expect 'POST /v1/animes without a token' 401 --request POST --header 'content-type: application/json' --data '{}' "$url/v1/animes"
echo "smoke test passed: $url"
