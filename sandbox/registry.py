"""A registry in a container of its own, on a port of 127.0.0.1 that it keeps when it stops and starts."""

import fcntl
import functools
import os
import random
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import images, oci, paths
from sandbox.releases import release
from sandbox.run import docker, status, wait_until

PORTS = range(20000, 30000)  # below the kernel's own choice, so that a stopped part keeps its port


_GIVEN: set[int] = set()


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on, and that is given to nobody else while this process lives."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 - no secret
        if port not in _GIVEN and _reserved(port) and _silent(port):
            _GIVEN.add(port)
            return port


def _reserved(port: int) -> bool:
    """Locks a port's byte of a file that all clones share: between a look at a port and its use lies a second or so."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@functools.cache
def _reservations() -> int:
    """Opens that file once: a process that closes any descriptor of a file loses all its locks there."""
    paths.machine().mkdir(parents=True, exist_ok=True)
    return os.open(paths.machine() / "ports.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _silent(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@dataclass(frozen=True)
class Registry:
    """A running (or stopped) registry."""

    name: str
    port: int

    @property
    def host(self) -> str:
        """Host and port, as image references name them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://{self.host}"

    @classmethod
    def run(cls, name: str, port: int, storage: Path, *options: str) -> "Registry":
        """Starts a registry on a storage folder and waits until it answers."""
        published = f"127.0.0.1:{port}:5000"
        labels = ["--label", f"{paths.LABEL}=1", *options]
        docker(
            *("run", "--detach", "--name", name, *labels, "--publish", published),
            *("--volume", f"{storage}:/registry", images.REGISTRY.image),
        )
        registry = cls(name, port)
        registry._wait()
        return registry

    @classmethod
    @contextmanager
    def temporary(cls, storage: Path) -> Iterator["Registry"]:
        """Runs a registry for as long as the block lasts."""
        port = free_port()
        name = f"lastgood-sandbox-registry-{port}"
        try:
            yield cls.run(name, port, storage)
        finally:
            docker("rm", "--force", name)

    def stop(self) -> None:
        """Stops the registry: nothing can be pulled until it starts again."""
        docker("stop", "--time", "1", self.name)

    def start(self) -> None:
        """Starts the registry again, on the same port, and waits until it answers."""
        docker("start", self.name)
        self._wait()

    def digest(self, service: str, tag: str) -> str:
        """Returns the digest a tag points at now."""
        return oci.digest(oci.get_manifest(self.url, service, tag))

    def delete(self, service: str, tag: str) -> None:
        """Deletes the image a tag points at, and so every tag of it."""
        oci.delete_manifest(self.url, service, self.digest(service, tag))

    def move(self, service: str, tag: str, to_release: str) -> str:
        """Points a tag at another release's image, and returns that image's digest."""
        return self.point(service, tag, release(service, to_release).tag)

    def point(self, service: str, tag: str, to_tag: str) -> str:
        """Points a tag at the image that another tag has, and returns that image's digest."""
        return oci.put_manifest(self.url, service, tag, oci.get_manifest(self.url, service, to_tag))

    def _wait(self) -> None:
        wait_until(lambda: status(f"{self.url}/v2/") == 200, f"the registry {self.name} answers")  # noqa: PLR2004


def copy_storage(template: Path, target: Path) -> None:
    """Copies a registry's storage: contents, which never change, by hard link, and the rest for real."""
    shutil.copytree(template, target, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    if Path(source).name == "data":
        try:
            Path(target).hardlink_to(source)
        except OSError:
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
