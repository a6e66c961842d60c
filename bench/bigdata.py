"""A shop whose database is large, known to lastgood, and reached the ways that the figures need."""

import socket
import struct
import time
from abc import abstractmethod
from pathlib import Path

from bench.beside import Beside
from sandbox.releases import API
from sandbox.run import SandboxError, docker, fetch, run
from sandbox.world import World

GIBIBYTE = 1 << 30
CREATED = 201
MIGRATIONS = Path(__file__).parent.parent / "sandbox/shop/migrations"
# About 900 bytes a row, of which 64 do not compress, as with ids and hashes among words. Too short to be compressed in
# the table itself.
_FILL = """
INSERT INTO orders (item, quantity)
SELECT md5(n::text) || md5((-n)::text) || repeat('the customer looked at tea ', 30), 1
FROM generate_series(1, {rows}) AS n
"""
_DATABASE = """\
    database:
      container: {container}
      name: shop
      user: shop
      migrations: {{image: /migrations}}
      backups: {{folder: "{backups}", keep: 1}}
"""
_BATCH = 100_000


class BigShop:
    """A world's shop with a database of at least so many bytes; `prepare` makes it so."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.container = f"{API}-{world.name}-db-1"
        self.backups = world.root / "backups"

    def prepare(self, size: int) -> None:
        """Ships a release, names the database in lastgood.yaml, and fills it."""
        self.world.ship(API, "strict-1")
        added = _DATABASE.format(container=self.container, backups=self.backups)
        text = self.world.show("lastgood.yaml")
        self.world.commit({"lastgood.yaml": text.replace("    walk_back:", f"{added}    walk_back:")}, "the database")
        run(["git", "-C", self.world.laptop, "pull", "-q", "--ff-only"], env=self.world.env)
        while self.size() < size:
            self.sql(_FILL.format(rows=_BATCH))
        self.sql("VACUUM (ANALYZE, PARALLEL 0)")  # in parallel it wants more than the 64 MiB of a container's /dev/shm

    def size(self) -> int:
        """The database's size in bytes."""
        return int(self.sql("SELECT pg_database_size('shop')"))

    def sql(self, text: str, database: str = "shop") -> str:
        """Runs SQL as its owner does; returns what psql printed."""
        where = ("docker", "exec", "-i", self.container)
        argv = (*where, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "shop", database)
        return run(argv, stdin=text, timeout=600).stdout.strip()

    def shell(self, script: str, *words: str | Path) -> float:
        """Runs a constant script of a shell, words as its arguments; the seconds that it took."""
        begun = time.monotonic()
        run(["sh", "-euc", script, "bench", *words], env=self.world.env, timeout=1200)
        return time.monotonic() - begun

    def lastgood(self, *words: str) -> float:
        """Runs lastgood, which has to end well; the seconds that it took."""
        begun = time.monotonic()
        self.world.lastgood(*words, check=0, timeout=1200)
        return time.monotonic() - begun

    def dumps(self) -> list[Path]:
        """The backups that lastgood made, oldest first."""
        return sorted(self.backups.glob("*.dump"))

    def breaks(self) -> None:
        """Ships the good release, then a bad one, whose migration the database has."""
        self.world.ship(API, "strict-1")
        self.world.ship(API, "index-500")
        self.migrate("up", 2)

    def migrate(self, way: str, version: int) -> None:
        """Runs the second migration's `up` or `down` and notes the version, as a migration tool does."""
        self.sql((MIGRATIONS / f"000002_find_by_item.{way}.sql").read_text())
        self.sql(f"UPDATE schema_migrations SET version = {version:d}")  # noqa: S608 - a number

    def version(self) -> str:
        """The schema's version."""
        return self.sql("SELECT version FROM schema_migrations")

    def address(self) -> str:
        """The database server's own address."""
        found = docker(
            "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", self.container
        )
        return found.split()[0]


class _Watch(Beside):
    """Asks again and again in a thread while it is open; `moments` are when it went well, on the monotonic clock."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self._pause = pause
        self.moments: list[float] = []

    def _work(self) -> None:
        while not self._stop.wait(self._pause):
            if self.asked():
                self.moments.append(time.monotonic())

    @abstractmethod
    def asked(self) -> bool:
        """Whether it went well this time."""

    def gap(self) -> float:
        """The longest time in seconds between two that went well. Raises SandboxError where there are not two."""
        gaps = [later - earlier for earlier, later in zip(self.moments, self.moments[1:], strict=False)]
        if not gaps:
            raise SandboxError("nobody could look whether the database answers")
        return max(gaps)

    def first(self, since: float) -> float:
        """The first that went well after a moment. Raises SandboxError where there is none."""
        found = next((moment for moment in self.moments if moment >= since), None)
        if found is None:
            raise SandboxError("nothing was written any more")
        return found


class Sessions(_Watch):
    """Begins a session with the database every few milliseconds: `ReadyForQuery` is a good answer.

    PostgreSQL's protocol 3.0: length, version, and names with their values (its manual, 55.2.1 and 55.7).
    """

    def __init__(self, shop: BigShop) -> None:
        super().__init__(0.002)
        self._address = (shop.address(), 5432)
        words = b"user\0shop\0database\0shop\0\0"
        self._hello = struct.pack("!ii", len(words) + 8, 3 << 16) + words

    def asked(self) -> bool:
        """Whether a session began."""
        received = b""
        try:
            with socket.create_connection(self._address, timeout=1) as connection:
                connection.sendall(self._hello)
                while not received.endswith(b"Z\0\0\0\5I"):
                    chunk = connection.recv(4096)
                    if not chunk:
                        return False
                    received += chunk
        except OSError:
            return False
        return True


class Orders(_Watch):
    """Orders something of the shop twenty times a second: 201 is a good answer."""

    def __init__(self, shop: BigShop) -> None:
        super().__init__(0.05)
        self._url = f"{shop.world.url}/api/orders"

    def asked(self) -> bool:
        """Whether the order was taken."""
        body = b'{"item": "tea", "quantity": 1}'
        try:
            return fetch("POST", self._url, body=body, timeout=1).status == CREATED
        except OSError:
            return False
