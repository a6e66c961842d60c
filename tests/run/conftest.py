import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from copied import copy
from fault_words import shipped

from tests.standin.disk import memory
from tests.standin.fate import ANSWERS_500, GOOD
from tests.standin.world import World

__all__ = ["copy"]


@pytest.fixture
def build() -> Iterator[Callable[..., World]]:
    """Makes worlds, in memory where there is room for that: they are copied and synced hundreds of times."""
    place = memory()
    with ExitStack() as stack:
        yield lambda **options: World(
            Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place, prefix="lastgood-"))), **options
        )


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    return build()


@pytest.fixture
def bad(world: World) -> World:
    """v3 fails in production; v2 and v1 are good."""
    return shipped(world, GOOD, GOOD, ANSWERS_500)
