#!/bin/sh
# Initialises the shop's database, so that its image starts with the work already done.
set -eu
initdb -D "$PGDATA" -U shop --no-sync -E UTF8 --locale=C.UTF-8 --wal-segsize=1 -A trust >/dev/null
echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
pg_ctl -D "$PGDATA" -w -s -o "-c listen_addresses=''" start
psql -q -d postgres -U shop -c 'CREATE DATABASE shop'
psql -q -d shop -U shop -c 'CREATE TABLE orders (id SERIAL PRIMARY KEY, item TEXT NOT NULL, quantity INT NOT NULL)'
psql -q -d shop -U shop -c 'CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL)' \
  -c 'INSERT INTO schema_migrations VALUES (1, false)'
pg_ctl -D "$PGDATA" -w -s -m fast stop
# What throw-away servers begin with (see initdb.sh).
initdb.real -D "${PGDATA%/*}/fresh" -U shop -E UTF8 --locale=C -A trust --no-sync >/dev/null
