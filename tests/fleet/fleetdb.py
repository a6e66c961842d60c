"""The service's database inside its container on a server: how scenarios over SSH fill it and look at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import Servers

import sandbox
from sandbox.fleet import HOME_GO
from sandbox.hosts import STATE, Host
from sandbox.run import run, wait_until

MIGRATIONS = Path(sandbox.__file__).parent / "shop/migrations"
CONTAINER = f"{HOME_GO}-db-1"
BACKUPS = f"{STATE}/backups/prod/{HOME_GO}"
CONFIG = f"    database: {{container: {CONTAINER}, name: shop, user: shop, migrations: {{image: /migrations}}}}\n"
# While there is a file in the container of the real database, an index that is dropped there is dropped slowly.
_SLOW = """
CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  WHILE (pg_stat_file('/tmp/slow', true)).size IS NOT NULL LOOP PERFORM pg_sleep(0.02); END LOOP;
END $$;
CREATE EVENT TRIGGER slow ON sql_drop WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION slow();
"""


@dataclass(frozen=True)
class FleetDatabase:
    """It and the server it is on."""

    servers: Servers

    @property
    def host(self) -> Host:
        return self.servers.hosts[0]

    @classmethod
    def known(cls, servers: Servers) -> "FleetDatabase":
        """One that lastgood.yaml names, with a good release in production that knows the first migration only."""
        text = servers.world.show("lastgood.yaml")
        servers.rewrite(text.replace("    walk_back:", f"{CONFIG}    walk_back:", 1))
        servers.world.ship(HOME_GO, "strict-1")
        return cls(servers)

    def sql(self, text: str, database: str = "shop") -> str:
        """Runs SQL as somebody on the server would."""
        argv = ["docker", "--host", self.host.engine, "exec", "-i", CONTAINER, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return run([*argv, "-U", "shop", "-d", database], stdin=text).stdout.strip()

    def at_version(self, number: int) -> None:
        """The migration tool moves the schema up by one, if it is not there yet."""
        if self.version() < number:
            (up,) = MIGRATIONS.glob(f"{number:06}_*.up.sql")
            self.sql(f"BEGIN; {up.read_text()} UPDATE schema_migrations SET version = {number}; COMMIT;")  # noqa: S608 - a number

    def version(self) -> int:
        """The version that is noted, and which is clean."""
        version, dirty = self.sql("SELECT version, dirty FROM schema_migrations").split("|")
        assert dirty == "f"
        return int(version)

    def schema(self) -> int:
        """The version that the schema itself is at."""
        return 2 if self.sql("SELECT to_regclass('orders_item_idx') IS NOT NULL") == "t" else 1

    def orders(self) -> int:
        return int(self.sql("SELECT count(*) FROM orders"))

    def order(self, number: int) -> None:
        """Customers order that much, and nothing else."""
        some = f"INSERT INTO orders (item, quantity) SELECT 'tea', 1 FROM generate_series(1, {number})"  # noqa: S608 - a number
        self.sql(f"TRUNCATE orders; {some}")

    def oid(self) -> str:
        """The number of the database in use, which outlives renames."""
        return self.sql("SELECT oid FROM pg_database WHERE datname = 'shop'", "postgres")

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate", "postgres").split())

    def files(self) -> set[str]:
        """What lies in the folder for backups on the server."""
        return set(self.host.exec("sh", "-c", 'ls "$0" 2>/dev/null || true', BACKUPS).stdout.split())

    def dumps(self) -> set[str]:
        return {name for name in self.files() if name.endswith(".dump")}

    def forget(self) -> None:
        """Removes all backups and former databases."""
        self.host.exec("sh", "-c", 'rm -rf -- "$0"', BACKUPS)
        for name in self.databases() - {"shop", "postgres"}:
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "postgres")

    def left(self) -> list[str]:
        """Whatever a command that has ended must not leave on the server."""
        label = ("--filter", "label=lastgood.scratch")
        containers = self.host.docker("ps", "--all", "--format", "{{.Names}}", *label)
        networks = self.host.docker("network", "ls", "--format", "{{.Name}}", *label)
        parts = [name for name in self.files() if name.endswith(".part")]
        ours = self.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'lastgood%'", "postgres")
        sides = [name for name in self.databases() if "_side_" in name]
        return [*containers.split(), *networks.split(), *parts, *ours.split(), *sides, *self.servers.leases()]

    def db(self, verb: str, *words: str, ends: int = 0) -> Any:
        """`lastgood db VERB` from the laptop."""
        return self.servers.tells("db", verb, HOME_GO, "prod", *words, ends=ends)  # type: ignore[arg-type]

    def waits(self, query: str) -> bool:
        """Whether a session of lastgood is in the middle of such a query."""
        active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        mine = f"{active} AND application_name LIKE 'lastgood%' AND query LIKE '{query}%'"
        return self.sql(mine) != "0"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody holds a lock that a dump has to wait for, inside the block."""
        self._inside("touch /tmp/held")
        held = "DO $$ BEGIN LOCK TABLE orders; WHILE (pg_stat_file('/tmp/held', true)).size IS NOT NULL LOOP "
        held += "PERFORM pg_sleep(0.02); END LOOP; END $$"
        self.host.docker("exec", "--detach", CONTAINER, "psql", "-U", "shop", "-c", held)
        wait_until(
            lambda: self.sql("SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass") == "1", "the lock"
        )
        try:
            yield
        finally:
            self._inside("rm -f /tmp/held")

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Dropping an index in the real database takes as long as the block. Its schema is another one meanwhile."""
        self._inside("touch /tmp/slow")
        self.sql(_SLOW)
        try:
            yield
        finally:
            self._inside("rm -f /tmp/slow")
            self.sql("DROP EVENT TRIGGER slow; DROP FUNCTION slow()")

    def _inside(self, script: str) -> None:
        self.host.docker("exec", CONTAINER, "sh", "-c", script.replace("touch", ":>"))
