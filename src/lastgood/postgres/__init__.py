"""PostgreSQL by its own programs (psql, pg_dump, pg_restore), on a host or in a container there."""
