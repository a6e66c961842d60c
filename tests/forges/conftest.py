from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Place

from sandbox.github.server import GitHub


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def hub(place: Place) -> Iterator[GitHub]:
    """GitHub, which fails the test for any request that its own descriptions do not have."""
    with GitHub(place.remote) as serving:
        yield serving
