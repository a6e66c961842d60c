#!/bin/sh
# The runbook by hand, typed without a moment's thought: runbook.sh TAG, in the server's checkout of the deploy repo.
set -eu
sed -i "s/^  tag: .*/  tag: $1/" envs/prod/apps/shop-api/values.yaml
scripts/compose/deploy-service.sh prod shop-api
scripts/compose/wait-healthy.sh prod shop-api
