"""One server for all tests of a process; a database for each."""

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pgworld import Server, docker, start

from lastgood.postgres.client import Client
from sandbox import engine, images

_NUMBERS = itertools.count(1)
ORDERS = """
CREATE TYPE state AS ENUM ('new', 'paid');
CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL, note text, state state DEFAULT 'new');
CREATE INDEX orders_note_idx ON orders (note);
INSERT INTO orders (item, note) SELECT 'item ' || n, CASE WHEN n % 3 = 0 THEN 'note' END FROM generate_series(1, 90) n;
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server."""
    engine.ensure()
    images.ensure()
    folder, small = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("small")
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=6m", "none", small), check=True)
    made = None
    try:
        made = start(folder, small)
        yield made
    finally:
        if made:
            docker("rm", "--force", "--volumes", made.container)
        subprocess.run(("umount", small), check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _fresh(server: Server, template: str) -> Client:
    number = next(_NUMBERS)
    server.sql("postgres", f'CREATE DATABASE "shop {number}" TEMPLATE {template}')
    return server.client(f"shop {number}", f"run-{number}")


@pytest.fixture
def client(server: Server) -> Client:
    """An empty database of the test's own."""
    return _fresh(server, "template0")


@pytest.fixture(scope="session")
def _orders(server: Server) -> str:
    server.sql("postgres", "CREATE DATABASE orders TEMPLATE template0")
    server.sql("orders", ORDERS)
    return "orders"


@pytest.fixture
def orders(server: Server, _orders: str) -> Client:
    """A database with 90 orders, 30 of them with a note."""
    return _fresh(server, _orders)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups go."""
    return tmp_path / "back ups"
