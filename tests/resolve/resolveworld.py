"""A real PostgreSQL server, databases that migration tools left behind, and the releases that know the migrations."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from lastgood import catalog
from lastgood.database.releases import Sourced
from lastgood.database.resolve import Case, Looked, look, settle
from lastgood.database.tables import recognised, state
from lastgood.effects.clock import SystemClock
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.database import Fingerprint, Reach
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.schema import SchemaState
from lastgood.model.standing import Resolution
from lastgood.model.target import Adapter
from lastgood.postgres.client import Client
from lastgood.postgres.fingerprint import fingerprint
from sandbox import images
from sandbox.run import SandboxError, docker

LABEL = "lastgood-test-resolve"

# Up and down of each version: what golang-migrate's files hold.
SHOP = (
    ("CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL);", "DROP TABLE orders;"),
    ("ALTER TABLE orders ADD COLUMN note text;", "ALTER TABLE orders DROP COLUMN note;"),
    (
        "CREATE TABLE parcels (id int PRIMARY KEY, order_id int);\n\nCREATE INDEX orders_note_idx ON orders (note);",
        "DROP INDEX orders_note_idx;\nDROP TABLE parcels;",
    ),
)
Files = dict[str, bytes]


def golang(*steps: tuple[str, str]) -> Files:
    """The files of golang-migrate."""
    found: Files = {}
    for at, (up, down) in enumerate(steps, 1):
        found |= {f"{at:04}_step.up.sql": up.encode(), f"{at:04}_step.down.sql": down.encode()}
    return found


def marked(up: str, down: str, *steps: tuple[str, str]) -> Files:
    """The files of a tool that has both ways in one file, below marks."""
    return {f"{at}_step.sql": f"{up}\n{a}\n\n{down}\n{b}\n".encode() for at, (a, b) in enumerate(steps, 1)}


def dbmate(*steps: tuple[str, str]) -> Files:
    return marked("-- migrate:up", "-- migrate:down", *steps)


def goose(*steps: tuple[str, str]) -> Files:
    return marked("-- +goose Up", "-- +goose Down", *steps)


@dataclass(frozen=True)
class Server:
    """A container with PostgreSQL, that this machine can reach at `address`, too."""

    container: str
    address: str

    def sql(self, database: str, text: str, *, check: bool = True) -> str:
        command = ("exec", "-i", self.container, "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "shop")
        done = subprocess.run(
            ("docker", *command, database), input=text, capture_output=True, text=True, timeout=240, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class Database:
    """A database of a test's own, moved by a tool of `kind`."""

    server: Server
    name: str
    kind: str = "golang-migrate"
    options: dict[str, str] = field(default_factory=dict)
    schema: str = ""
    dsn: bool = False
    told: list[str] = field(default_factory=list)

    def sql(self, text: str, *, check: bool = True) -> str:
        return self.server.sql(self.name, text, check=check)

    def lives(self, *statements: str, says: str) -> None:
        """What was applied, and what the tool's table of golang-migrate says."""
        self.sql("CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
        self.sql("\n".join(statements))
        self.sql(f"INSERT INTO schema_migrations VALUES ({says})")  # noqa: S608

    def applied(self, *versions: str) -> None:
        """The rows of dbmate or goose."""
        if self.kind == "dbmate":
            self.sql("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)")
            rows = [f"INSERT INTO schema_migrations VALUES ('{one}');" for one in versions]  # noqa: S608
        else:
            columns = "id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp"
            self.sql(f"CREATE TABLE goose_db_version ({columns} DEFAULT now())")
            into = "INSERT INTO goose_db_version (version_id, is_applied)"
            rows = [f"{into} VALUES ({one}, true);" for one in ("0", *versions)]
        self.sql("\n".join(rows))

    @property
    def adapter(self) -> Adapter:
        options = catalog.options("migrators", self.kind)
        return Adapter(self.kind, msgspec.convert(self.options, options))

    @property
    def client(self) -> Client:
        process = LocalProcess(patience=0.3)
        reach = Reach(self.name, container=self.server.container, user="shop", schema=self.schema)
        if self.dsn:
            reach = Reach(self.name, dsn="env:DSN", schema=self.schema)
        address = f"postgres://shop@{self.server.address}/shop?sslmode=disable"
        return Client(process, LocalSecrets(process, {"DSN": address}), reach)

    def case(self, *releases: Files | str) -> Case:
        """With these releases, of which the first one runs; a text is why one's migrations cannot be had."""
        migrator = catalog.migrator(self.adapter)

        def sources() -> Iterator[Fact[Sourced]]:
            for at, files in enumerate(releases):
                if isinstance(files, str):
                    yield Unknown(files)
                else:
                    yield Known(Sourced(migrator.migrations(files), f"migrations of release {at}"))

        client = self.client
        tool = recognised(client, self.adapter)
        return Case(("shop-api", "prod"), self.name, client, tool, sources, SystemClock(), self.told.append)

    def look(self, *releases: Files | str) -> Looked:
        return look(self.case(*releases))

    def resolved(self, *releases: Files | str) -> Resolution:
        """Looked at, and set to what was found."""
        here = self.case(*releases)
        done = settle(here, look(here))
        assert done.done
        return done

    def says(self) -> SchemaState:
        return state(self.client, recognised(self.client, self.adapter))

    def rows(self) -> str:
        """All rows of golang-migrate's table."""
        return self.sql("SELECT version, dirty FROM schema_migrations")

    def print(self) -> Fingerprint:
        found = fingerprint(self.client)
        assert isinstance(found, Known)
        return found.value


def leftovers(server: Server, run: str) -> list[str]:
    """Throw-away databases and servers of a run that are still there."""
    asked = f"SELECT datname FROM pg_database WHERE datname ~ '_scratch_{run}'"  # noqa: S608
    beside = server.sql("postgres", asked).split()
    return beside + docker("ps", "--all", "--quiet", "--filter", f"label=lastgood.scratch={run}").split()


@contextmanager
def locking(database: Database, key: int, application: str) -> Iterator[int]:
    """Somebody holds an advisory lock meanwhile; the process id of their session."""
    argv = ("docker", "exec", "-i", "-e", f"PGAPPNAME={application}", database.server.container)
    argv += ("psql", "-X", "-q", "-At", "-U", "shop", database.name)
    with subprocess.Popen(argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"SELECT pg_advisory_lock({key}) IS NULL;\nSELECT pg_backend_pid();\n")
        process.stdin.flush()
        process.stdout.readline()
        yield int(process.stdout.readline())
        process.stdin.close()


def after(seconds: float, work: Callable[[], None]) -> threading.Timer:
    """Do `work` in a while."""
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


def start(name: str) -> Server:
    container = docker("run", "--detach", "--label", f"{LABEL}={name}", images.DATABASE.image).strip()
    try:
        docker("exec", container, "sh", "-c", "until pg_isready -q -U shop; do sleep 0.05; done")
        trusting = 'echo "host all all all trust" >> "$PGDATA/pg_hba.conf"'
        docker("exec", container, "sh", "-c", trusting)
        address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).strip()
        server = Server(container, address)
        server.sql("shop", "SELECT pg_reload_conf()")
    except (SandboxError, AssertionError):
        docker("rm", "--force", "--volumes", container)
        raise
    return server
