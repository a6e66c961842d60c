from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from shop import Shop

from sandbox.world import World


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A world of its own, nothing shipped yet."""
    with World.up() as world:
        yield Shop(world)


@pytest.fixture
def shop_of() -> Iterator[Callable[[int], Shop]]:
    """Opens a world whose Compose file asks for that many containers of the service."""
    with ExitStack() as stack:
        yield lambda replicas: Shop(stack.enter_context(World.up(replicas=replicas)))
