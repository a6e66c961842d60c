from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from servers import Servers

from sandbox.fleet import FleetWorld


@pytest.fixture
def servers_of() -> Iterator[Callable[[int], Servers]]:
    """Opens a fleet of that many servers of its own, nothing shipped yet."""
    with ExitStack() as stack:
        yield lambda number: Servers(stack.enter_context(FleetWorld.up(number, engine="compose")))
