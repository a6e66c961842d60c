"""A real PostgreSQL, to hold what is read of statements to what it does."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lastgood.model.schema import Mode
from sandbox import images, paths
from sandbox.run import SandboxError, docker, run

# What is there before each statement. `known` remembers it, for what a statement drops has no name any more.
SCHEMA = """
CREATE TYPE mood AS ENUM ('fine', 'sad');
CREATE DOMAIN email AS text;
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int, note text, v varchar(20), n int, feel mood);
CREATE INDEX orders_n ON orders (n);
CREATE TABLE lines (id int, order_id int);
ALTER TABLE lines ADD CONSTRAINT lines_order FOREIGN KEY (order_id) REFERENCES orders NOT VALID;
CREATE TABLE log (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE log_new (id int, at date);
CREATE VIEW seen AS SELECT id FROM customers;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM customers;
CREATE SEQUENCE numbers;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER on_line BEFORE INSERT ON lines FOR EACH ROW EXECUTE FUNCTION noted();
CREATE POLICY mine ON lines USING (true);
INSERT INTO orders SELECT i, i, 'a note', 'v', i, 'fine' FROM generate_series(1, 10) i;
CREATE SCHEMA known;
CREATE TABLE known.before AS SELECT oid, relname, relkind, pg_relation_filenode(oid) AS file
  FROM pg_class WHERE relnamespace = 'public'::regnamespace;
"""
_ASKED = """
SELECT json_build_object(
  'locks', coalesce((SELECT json_agg(json_build_array(b.relname, b.relkind, l.mode)) FROM pg_locks l
    JOIN known.before b ON b.oid = l.relation WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'), '[]'),
  'rewritten', coalesce((SELECT json_agg(b.relname) FROM known.before b JOIN pg_class c ON c.oid = b.oid
    WHERE b.relkind IN ('r', 'm') AND pg_relation_filenode(b.oid) <> b.file), '[]'));
"""
_MODES = {mode.name.replace("_", "") + "LOCK": mode for mode in Mode}


@dataclass(frozen=True)
class Effect:
    """What a statement did in a transaction: locks on tables, views and sequences that were there; tables rewritten."""

    locks: dict[str, Mode]
    indexes: dict[str, Mode]
    rewritten: frozenset[str]


@dataclass(frozen=True)
class Postgres:
    """A server in a container."""

    container: str

    def effect(self, sql: str) -> Effect:
        """Runs it in a transaction, asks what it did, and takes it back. Raises SandboxError where it fails."""
        said = self.psql(f"BEGIN;\n{sql};\n{_ASKED}ROLLBACK;")
        answer = json.loads(said.splitlines()[-1])
        locks: dict[str, Mode] = {}
        indexes: dict[str, Mode] = {}
        for name, kind, word in answer["locks"]:
            held, mode = indexes if kind in "iI" else locks, _MODES[word.upper()]
            held[name] = max(mode, held.get(name, mode))
        return Effect(locks, indexes, frozenset(answer["rewritten"]))

    def psql(self, sql: str) -> str:
        """What psql prints."""
        argv = ("docker", "exec", "-i", self.container, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "shop", "shop")
        return run(argv, stdin=sql).stdout.strip()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with SCHEMA in it, gone afterwards."""
    images.ensure()
    container = docker("run", "--detach", "--network", "none", "--label", f"{paths.LABEL}=1", images.DATABASE.image)
    try:
        server = Postgres(container)
        _ready(server)
        server.psql("DROP TABLE orders;" + SCHEMA)
        yield server
    finally:
        docker("rm", "--force", "--volumes", container)


def _ready(server: Postgres) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            server.psql("SELECT 1")
        except SandboxError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
