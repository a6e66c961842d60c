import pytest

_SLOW = ("tests/fleet/", "tests/real/", "tests/sandbox/", "tests/run/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that at the end no process waits for another that has a long one left."""
    items.sort(key=lambda item: not item.nodeid.startswith(_SLOW))
