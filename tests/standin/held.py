"""Whether somebody was held by what hangs, told in a way that a busy machine cannot turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONG: Final = 60.0
"""Seconds for which a stand-in hangs that has to be left; others hang for ever."""


@contextmanager
def not_held() -> Iterator[None]:
    """What is done inside must come back long before what it asks would have answered."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < LONG / 2
