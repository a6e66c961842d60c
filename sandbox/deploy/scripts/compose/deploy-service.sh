#!/bin/sh
# deploy-service.sh ENV SERVICE: lets Compose converge on what values.yaml says.
set -eu
cd "$(dirname "$0")/../.."
app="envs/$1/apps/$2"

# image.tag becomes IMAGE_TAG, config.greeting becomes CONFIG_GREETING.
flatten() {
  awk '
    /^ *(#|$)/ { next }
    {
      match($0, /^ */); depth = RLENGTH / 2
      key = substr($0, RLENGTH + 1); value = key
      sub(/:.*/, "", key); sub(/^[^:]*:[ ]*/, "", value)
      sub(/(^|[ ]+)#.*$/, "", value); gsub(/^"|"$/, "", value)
      path[depth] = toupper(key)
      if (value == "") next
      name = path[0]
      for (i = 1; i <= depth; i++) name = name "_" path[i]
      gsub(/[^A-Z0-9_]/, "_", name)
      print name "=" value
    }' "$app/values.yaml"
}

variables=$(flatten)
while IFS= read -r line; do
  export "${line?}"
done <<EOF
$variables
EOF
docker compose --file "$app/compose.yaml" up --detach --quiet-pull
