"""A shop whose database lastgood knows, and words to look into it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.run import docker
from sandbox.world import World

DATABASE = "shop"
CRASH = Path(__file__).with_name("dbcrash.py")


@dataclass(frozen=True)
class Base:
    """One world's database, asked as its owner does."""

    shop: Shop

    @property
    def world(self) -> World:
        return self.shop.world

    @property
    def container(self) -> str:
        return f"{API}-{self.world.name}-db-1"

    @property
    def state(self) -> Path:
        """The folder for lastgood's things on the server."""
        return self.world.root / "host-state"

    @property
    def folder(self) -> Path:
        """Where backups are."""
        return self.state / "backups" / ENV / API

    def configure(self, database: str) -> None:
        """Says in lastgood.yaml how the database is reached, in place of what it said."""
        lines = self.world.show("lastgood.yaml").splitlines()
        lines = [line for line in lines if not line.startswith("    database:")]
        at = lines.index(f"  {API}:") + 1
        lines.insert(at, f"    database: {database}")
        self.world.commit({"lastgood.yaml": "\n".join(lines) + "\n"}, "lastgood: the database")
        subprocess.run(("git", "-C", self.world.laptop, "pull", "-q", "--ff-only"), env=self.world.env, check=True)

    def contained(self, name: str = DATABASE, more: str = "") -> None:
        """Has lastgood reach a database in its container."""
        self.configure(f"{{container: {self.container}, name: {json.dumps(name)}, user: shop{more}}}")

    def sql(self, text: str, database: str = DATABASE) -> str:
        where = ("docker", "exec", "-i", "-e", f"PGDATABASE={database}", self.container)
        argv = (*where, "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "shop")
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def order(self, number: int = 1, database: str = DATABASE) -> None:
        self.sql(f"INSERT INTO orders (item, quantity) SELECT 'x', 1 FROM generate_series(1, {number})", database)  # noqa: S608

    def count(self, database: str = DATABASE) -> int:
        return int(self.sql("SELECT count(*) FROM orders", database))

    def oid(self, database: str = DATABASE) -> int:
        """The number of a database, which outlives renames."""
        return int(self.sql(f"SELECT oid FROM pg_database WHERE datname = '{database}'", "postgres"))  # noqa: S608

    def open(self, database: str = DATABASE) -> bool:
        question = f"SELECT datallowconn FROM pg_database WHERE datname = '{database}'"  # noqa: S608
        return self.sql(question, "postgres") == "t"

    def told(self) -> str:
        """What `db status` says of a restore that has not ended."""
        said = self.db("status", ends=Exit.IN_DOUBT)
        return str(said.get("restore") or said["because"][0])

    def sessions(self) -> int:
        """How many sessions lastgood has on the server; one may outlive the lastgood that was killed."""
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lastgood%'"
        return int(self.sql(ours, "postgres"))

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate", "postgres").splitlines())

    def db(self, verb: str, *options: str, ends: Exit = Exit.DONE, on: Mapping[str, str] | None = None) -> Any:
        return self.shop.does("db", verb, API, ENV, *options, ends=ends, on=on)

    def restore(self, backup: str, *options: str, ends: Exit = Exit.DONE, name: str = DATABASE) -> Any:
        return self.db("restore", backup, "--yes", "--accept-loss", name, *options, ends=ends)

    def traces(self) -> list[str]:
        """Everything that an unfinished command would leave on the server."""
        files = (*self.state.glob("leases/*"), *self.state.glob("databases/*"), *self.folder.glob("*.part"))
        named = (path.name for path in files if not path.name.endswith(".deployed.json"))  # since when a release runs
        left = [name for name in named if not fnmatch(name, ".lastgood-*.tmp")]  # of a file that a kill left unwritten
        return [*left, *(name for name in self.databases() if "_side_" in name)]

    def serves(self) -> bool:
        return self.world.answer(API)[0] == 200

    def forget(self) -> None:
        """Drops every former database."""
        for name in self.databases() - {DATABASE, "postgres"}:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drops a database, whatever its name is."""
        self.sql('DROP DATABASE "' + name.replace('"', '""') + '" WITH (FORCE)', "postgres")

    def crash(self, at: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs lastgood until it is killed at an effect: `before 3`, `during 3`; or `record` them."""
        argv = (sys.executable, str(CRASH), str(self.world.root / "effects"), at, *words)
        return subprocess.run(
            argv, cwd=self.world.laptop, env=self.world.env, capture_output=True, text=True, timeout=240, check=False
        )

    def effects(self) -> list[str]:
        """The effects that were recorded."""
        return (self.world.root / "effects").read_text().splitlines()


@contextmanager
def opened() -> Iterator[Base]:
    """A world with a release that serves, three orders, and a database that lastgood knows."""
    with World.up() as world:
        base = Base(Shop(world))
        base.shop.ships("good-1")
        base.contained()
        base.order(3)
        yield base


def stamp(path: str) -> str:
    """The moment in a backup's name."""
    return path.removesuffix(".dump").rpartition("-")[2]


def scratch(path: str) -> bool:
    """Whether a throw-away server is there of the run that made a backup, or of another one of that second."""
    wanted = f"name=^/lastgood-scratch-backup-[0-9a-f]+-{stamp(path)}$"
    return bool(docker("ps", "--all", "--quiet", "--filter", wanted))
