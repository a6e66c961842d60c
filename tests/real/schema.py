"""The shop's database: how scenarios speak of its schema, of what is in it, and of what lastgood knows of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from shop import API, Shop

import sandbox
from sandbox.run import docker, run

MIGRATIONS = Path(sandbox.__file__).parent / "shop/migrations"
DATABASE = """\
    database:
      container: {container}
      name: shop
      user: shop
      migrations: {{image: /migrations}}
      backups: {{folder: "{backups}"}}
"""


class Database:
    """The database of a shop that lastgood.yaml names."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.container = f"{API}-{shop.world.name}-db-1"
        self.backups = shop.world.root / "backups"

    def known(self, after: str = "") -> "Database":
        """Names the database in lastgood.yaml, for everybody; `after` a line of it where there are several services."""
        added = DATABASE.format(container=self.container, backups=self.backups)
        self.shop.configure(after or "    walk_back:", f"{after}{added}" if after else f"{added}    walk_back:")
        return self

    def sql(self, text: str, database: str = "shop") -> str:
        """Runs SQL as the operator would by hand; returns what psql printed."""
        argv = [
            "docker",
            "exec",
            "-i",
            self.container,
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "shop",
            database,
        ]
        return run(argv, stdin=text).stdout.strip()

    def asked(self, select: str) -> Any:
        """The one value that a SELECT answers."""
        return json.loads(self.sql(f"SELECT to_json(({select}))"))

    def migrated(self, to: int) -> "Database":
        """The migration tool moves the schema up, as releases do when they start."""
        now = self.version()
        for up in sorted(MIGRATIONS.glob("*.up.sql")):
            version = int(up.name[:6])
            if now < version <= to:
                noted = f"TRUNCATE schema_migrations; INSERT INTO schema_migrations VALUES ({version}, false);"  # noqa: S608 - a number
                self.sql(f"BEGIN; {up.read_text()} {noted} COMMIT;")
        return self

    def version(self) -> int:
        return int(self.sql("SELECT version FROM schema_migrations"))

    def orders(self, count: int, note: str = "") -> None:
        """Customers order something."""
        self.sql(f"INSERT INTO orders (item, quantity) SELECT 'tea', n FROM generate_series(1, {count}) AS n")  # noqa: S608 - a number
        if note:
            self.sql(f"UPDATE orders SET note = '{note}' WHERE note IS NULL")  # noqa: S608 - words of the tests

    def restored(self, backup: Path, database: str) -> None:
        """Loads a backup into a database by hand."""
        with backup.open("rb") as dump:
            argv = [
                "docker",
                "exec",
                "-i",
                self.container,
                "pg_restore",
                "--exit-on-error",
                "-U",
                "shop",
                "-d",
                database,
            ]
            subprocess.run(argv, stdin=dump, check=True)

    def deployed(self) -> str:
        """The release whose deploy was noted last on the database's host, by its tag."""
        (noted,) = (self.shop.world.root / "host-state/databases").glob("*.deployed.json")
        return str(json.loads(noted.read_text())["release"]["image"]["tag"])

    def databases(self) -> list[str]:
        return self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").split()

    def kept(self) -> list[str]:
        """The backups that lie in the folder."""
        return sorted(path.name for path in self.backups.glob("*.dump"))

    def leftovers(self) -> list[str]:
        """Containers and networks that a rehearsal or a trial left behind."""
        containers = docker("ps", "--all", "--filter", "label=lastgood.scratch", "--format", "{{.Names}} {{.Networks}}")
        networks = docker("network", "ls", "--filter", "label=lastgood.scratch", "--format", "{{.Name}}")
        world = self.shop.world.name  # in the name of a trial's network, and in a rehearsal's own
        return [line for line in (*containers.splitlines(), *networks.splitlines()) if world in line]
