import os
import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

from sandbox import setting

# The same examples each time, unless somebody asks for others, and as much time for each as a busy machine takes.
_STEADY = settings(
    deadline=None,
    database=None,
    derandomize="LASTGOOD_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
_SLOW = ("tests/fleet/", "tests/real/", "tests/sandbox/", "tests/run/")


def pytest_configure() -> None:
    """What began in the background of a shell ignores Ctrl-C, and so would every program that a test interrupts.

    Where Python is to keep no compiled files, each of the thousands of programs that tests start would compile itself.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    setting.GATE = setting.GATE.replace("window: 2s", "window: 1s")  # as long as three passes take
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("steady", _STEADY)
    settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that at the end no process waits for another that has a long one left."""
    items.sort(key=lambda item: not item.nodeid.startswith(_SLOW))
