import itertools
import shutil
from collections.abc import Iterator

import pytest

from lastgood.database._proof_bench import Bench, opened
from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets
from lastgood.model.database import Reach
from lastgood.postgres.client import Client
from sandbox import engine, images
from tests.postgres.pgworld import Server, docker, start

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """A throw-away server of its own; each proof begins with an empty database."""
    engine.ensure()
    images.ensure()
    process = LocalProcess()
    with opened(Client(process, LocalSecrets(process, {}), Reach(), mark="tests"), images.DATABASE.image) as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server that is somebody's own."""
    engine.ensure()
    images.ensure()
    folder = tmp_path_factory.mktemp("shared")
    made = start(folder, folder)
    yield made
    docker("rm", "--force", "--volumes", made.container)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(server: Server) -> Client:
    """An empty database of the test's own."""
    number = next(_NUMBERS)
    server.sql("postgres", f'CREATE DATABASE "shop {number}" TEMPLATE template0')
    return server.client(f"shop {number}", f"down-{number}")
