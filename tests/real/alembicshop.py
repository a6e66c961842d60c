"""The shop of a team that migrates with Alembic: revisions in the image of each release, the program in one of them."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from schema import DATABASE, Database
from shop import API, Shop

from sandbox import oci, paths
from sandbox.run import docker, fetch, wait_until

PACKAGES = ("alembic==1.20.1", "SQLAlchemy==2.1.9", "psycopg[binary]==3.3.9")
NEEDLESS = ("sqlalchemy/testing", "alembic/testing", "sqlalchemy/dialects/oracle", "sqlalchemy/dialects/mssql")
MIGRATOR = "      migrator: {kind: alembic, folder: /migrations}\n"
PROGRAM = """#!/usr/bin/python3.11
import sys
sys.path.insert(0, "/alembic")
from alembic.config import main
sys.exit(main(prog="alembic"))
"""
INI = "[alembic]\nscript_location = /migrations\n"
ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
REVISION = """\"\"\"{title}\"\"\"
from alembic import op

revision = "{name}"
down_revision = {after!r}

def upgrade():
    op.execute({up!r})

def downgrade():
{down}
"""
ORDERS = ("a1_orders", "CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL, quantity int NOT NULL)", "")
FIND = ("b2_find", "CREATE INDEX orders_item_idx ON orders (item)", 'op.drop_index("orders_item_idx")')
NOTES = ("c3_notes", "ALTER TABLE orders ADD note text", 'op.drop_column("orders", "note")')
Step = tuple[str, str, str]


class AlembicShop(Database):
    """A good release whose newest revision is the first, and a bad one in production with all that are given."""

    def __init__(self, shop: Shop, *steps: Step) -> None:
        super().__init__(shop)
        every = (ORDERS, *steps)
        self._good = self._brings("good-1", every[:1], tool=False)
        self._bad = self._brings("http-500", every, tool=True)
        shop.ships("good-1")
        tables = (
            "DROP TABLE IF EXISTS schema_migrations, orders; CREATE TABLE alembic_version (version_num varchar(32))"
        )
        noted = f"INSERT INTO alembic_version VALUES ('{every[-1][0]}')"  # noqa: S608 - ours
        self.sql(";".join((tables, *(up for _, up, _ in every), noted)))
        shop.world.ship(API, "http-500", wait=False)
        wait_until(lambda: self.runs("http-500"), "the bad release is in production")
        added = DATABASE.format(container=self.container, backups=self.backups)
        shop.configure("    walk_back:", f"{added}{MIGRATOR}    walk_back:")

    def runs(self, release: str) -> bool:
        """Whether the release runs, and nothing else."""
        digest = {"good-1": self._good, "http-500": self._bad}[release]
        return [(one.digest, one.state) for one in self.shop.running()] == [(digest, "running")]

    def at(self) -> str:
        """The revision that Alembic's table says."""
        return self.sql("SELECT string_agg(version_num, ', ') FROM alembic_version")

    def indexed(self) -> bool:
        return bool(self.asked("SELECT to_regclass('orders_item_idx') IS NOT NULL"))

    def tools(self) -> list[str]:
        """The containers of the tool that are there: of runs, and of rehearsals."""
        names = docker("ps", "--all", "--filter", "name=lastgood-tool-", "--format", "{{.Names}} {{.Image}}")
        mine = {digest.removeprefix("sha256:")[:12] for digest in self._images()}
        found = (line.split() for line in names.splitlines())
        return [name for name, image in found if image in mine or image.removeprefix("sha256:")[:12] in mine]

    def _images(self) -> list[str]:
        return docker("image", "ls", "--no-trunc", "--quiet", self.shop.world.repository(API)).split()

    def _brings(self, release: str, steps: tuple[Step, ...], *, tool: bool) -> str:
        """The release's image has the revisions too, and the program where `tool` says so."""
        files = {"migrations/alembic.ini": INI.encode(), "migrations/env.py": ENVIRONMENT.encode()}
        after = None
        for name, up, down in steps:
            text = REVISION.format(title=name, name=name, after=after, up=up, down=f"    {down or 'pass'}")
            files[f"migrations/versions/{name}.py"] = text.encode()
            after = name
        layers = [oci.Layer.of_files(files)]
        if tool:
            program = oci.Layer.of_files({"usr/bin/alembic": PROGRAM.encode()}, executable=("usr/bin/alembic",))
            layers += [oci.Layer.of_tar(_library()), program]
        registry = self.shop.world.registry
        return _extended(registry.url, self.shop.tag(release), layers)


def _extended(registry: str, tag: str, layers: list[oci.Layer]) -> str:
    """The image that the tag names gets more layers, and so another digest, which is returned."""
    manifest = json.loads(oci.get_manifest(registry, API, tag))
    blob = lambda digest: fetch("GET", f"{registry}/v2/{API}/blobs/{digest}").body  # noqa: E731
    there = json.loads(blob(manifest["config"]["digest"]))
    found = [blob(one["digest"]) for one in manifest["layers"]]
    old = [oci.Layer(packed, one) for packed, one in zip(found, there["rootfs"]["diff_ids"], strict=True)]
    return oci.push(registry, API, tag, oci.Image((*old, *layers), there["config"]))


def _library() -> bytes:
    """Alembic and what it needs, as a tar, made once."""
    made = paths.cache() / f"alembic-{paths.fingerprint(*PACKAGES, Path(__file__))}.tar"
    with paths.lock(made.with_suffix(".lock")):
        if not made.exists():
            with tempfile.TemporaryDirectory() as folder:
                pip = (sys.executable, "-m", "pip", "install", "-qq", "--target", folder)
                subprocess.run((*pip, *PACKAGES), check=True)
                for needless in (*NEEDLESS, "bin"):
                    shutil.rmtree(Path(folder) / needless)
                made.with_suffix(".part").write_bytes(_packed(Path(folder)))
            made.with_suffix(".part").rename(made)
    return made.read_bytes()


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(folder, "alembic")
    return buffer.getvalue()
