"""An observer on each server of a fleet: asks a contestant's containers at their own addresses, past any proxy.

A thread enters the server's network for that. It logs in nowhere, and asks everybody's containers alike.
"""

import ctypes
import http.client
import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from bench.beside import Beside
from sandbox.hosts import Host
from sandbox.run import SandboxError

OK = 200
EVERY = 0.04
PATIENCE = 0.5
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class _Engine(http.client.HTTPConnection):
    """A connection to an engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        """Connects to the path instead of to an address."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Observer(Beside):
    """Looks at one contestant's containers on one server until it is left; a context manager.

    Attributes:
        first: When each version first answered 200, Unix nanoseconds.
        now: What answered at the last look: a version for a 200, else `500` and the like, `-` for nothing.
    """

    def __init__(self, host: Host, labels: Sequence[str]) -> None:
        super().__init__()
        self._socket = host.engine.removeprefix("unix://")
        self._network = self._socket.split("/root/")[0] + "/ns/net"  # engines are reached through /proc/PID/root
        self._query = quote(json.dumps({"label": list(labels)}))
        self.first: dict[str, int] = {}
        self.now: tuple[str, ...] = ()

    def wait(self, versions: Sequence[str], within: float = 20.0) -> bool:
        """Waits until nothing but these answers; False where it is something else until then."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if self.now and set(self.now) <= set(versions):
                return True
            time.sleep(EVERY)
        return False

    def _work(self) -> None:
        with Path(self._network).open("rb") as there:
            if LIBC.setns(there.fileno(), CLONE_NEWNET):
                raise SandboxError(f"cannot enter {self._network}: {os.strerror(ctypes.get_errno())}")
        while not self._stop.is_set():
            self.now = tuple(sorted(self._answer(address) for address in self._addresses()))
            self._stop.wait(EVERY)

    def _addresses(self) -> list[str]:
        engine = _Engine(self._socket)
        try:
            engine.request("GET", f"/containers/json?filters={self._query}")
            found = json.loads(engine.getresponse().read())
        finally:
            engine.close()
        networks = [one["NetworkSettings"]["Networks"].values() for one in found]
        return [next((net["IPAddress"] for net in nets if net["IPAddress"]), "") for nets in networks]

    def _answer(self, address: str) -> str:
        if not address:
            return "-"
        asked = http.client.HTTPConnection(address, 8080, timeout=PATIENCE)
        try:
            asked.request("GET", "/api/health")
            got = asked.getresponse()
            body = got.read()
        except (OSError, http.client.HTTPException):
            return "-"
        finally:
            asked.close()
        if got.status != OK:
            return str(got.status)
        version = str(json.loads(body)["version"])
        self.first.setdefault(version, time.time_ns())
        return version
