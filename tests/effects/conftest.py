"""SSH hosts on loopback, one per test process, and the programs that reach them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import Server, shell_of

from lastgood.effects.hosts import Processes


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _started(tmp_path_factory.mktemp("sshd"))


@pytest.fixture(scope="session")
def _busybox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = shell_of("busybox")
    folder = tmp_path_factory.mktemp("busybox")
    applets = folder / "applets"
    applets.mkdir()
    found = subprocess.run((program, "--list"), capture_output=True, text=True, check=True).stdout.split()
    for name in found:
        (applets / name).symlink_to(program)
    yield from _started(folder, f"SetEnv PATH={applets}\n")


def _started(folder: Path, extra: str = "") -> Iterator[Server]:
    server = Server(folder, extra)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A host with the tools of this machine."""
    _server.use(monkeypatch)
    return _server


@pytest.fixture
def busybox(_busybox: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A host that has but busybox."""
    _busybox.use(monkeypatch)
    return _busybox


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A host of the test's own, to be broken."""
    folder = tmp_path / "host"
    folder.mkdir()
    for server in _started(folder):
        server.use(monkeypatch)
        yield server


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Every way to a host, closed afterwards."""
    made = Processes()
    yield made
    made.close()
