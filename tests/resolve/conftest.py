"""One server for all tests of a process; a database for each."""

import itertools
from collections.abc import Iterator

import pytest
from resolveworld import Database, Server, start

from sandbox import engine, images
from sandbox.run import docker

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(worker_id: str) -> Iterator[Server]:
    """A PostgreSQL server."""
    engine.ensure()
    images.ensure()
    made = start(worker_id)
    try:
        yield made
    finally:
        docker("rm", "--force", "--volumes", made.container)


@pytest.fixture
def db(server: Server) -> Database:
    """A database without anything in it."""
    name = f"shop {next(_NUMBERS)}"
    server.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE template0')
    return Database(server, name)
