#!/bin/sh
# wait-healthy.sh ENV SERVICE: waits up to a minute until every container of the service is healthy.
set -eu
cd "$(dirname "$0")/../.."
project=$(sed -n 's/^name: //p' "envs/$1/apps/$2/compose.yaml")
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  states=$(docker ps --all --filter "label=com.docker.compose.project=$project" --format '{{.Status}}')
  if [ -n "$states" ] && ! echo "$states" | grep -Eqv '^Up [^(]*(\(healthy\))?$'; then
    echo "$2 is healthy"
    exit 0
  fi
  echo "waiting for $2 ($attempt of 30)"
  sleep 2
done
echo "$2 is not healthy: $states" >&2
exit 1
