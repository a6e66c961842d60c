"""An independent customer: asks at a constant rate whatever happens (open loop), each time over a new connection."""

import json
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.beside import Beside
from sandbox.run import SandboxError

OK = 200
GATEWAY = frozenset({502, 503, 504})
TIMEOUT_NS = 2_000_000_000
LONGEST = 120.0
CHUNK = 65536


@dataclass(frozen=True)
class Answer:
    """One request: when it was due and when it ended (Unix nanoseconds), and what came back."""

    due: int
    done: int
    status: int | None
    """None where nothing came back: refused, cut off, or nothing within two seconds."""
    version: str

    @property
    def unanswered(self) -> bool:
        """Whether the application itself did not answer: nobody, or the proxy in its place."""
        return self.status is None or self.status in GATEWAY


@dataclass
class _Asking:
    """A request under way."""

    due: int
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)


class Prober(Beside):
    """Asks one URL on this machine; a context manager. `answers` grows while it is open."""

    def __init__(self, url: str, *, rate: float = 50.0, longest: float = LONGEST) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        if self._address[0] != "127.0.0.1":
            raise ValueError("only a world's own proxy is asked")
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode()
        self._gap = round(1e9 / rate)
        self._most = round(rate * longest)
        self._selector = selectors.DefaultSelector()
        self.answers: list[Answer] = []

    def first(self, version: str, since: int) -> int | None:
        """When the first 200 of `version` came, of the requests due after `since`; None so far."""
        found = (one.done for one in tuple(self.answers) if one.status == OK and one.version == version)
        return min((done for done in found if done >= since), default=None)

    def wait(self, version: str, since: int, within: float = 60.0) -> int:
        """Waits for `first`; raises SandboxError."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            found = self.first(version, since)
            if found is not None:
                return found
            time.sleep(0.02)
        lately = Counter(f"{one.status} {one.version}" for one in self.answers[-50:])
        raise SandboxError(f"no 200 of {version} within {within:g} s, but lately {dict(lately)}")

    def _work(self) -> None:
        due, asked = time.time_ns(), 0
        while self._selector.get_map() or (not self._stop.is_set() and asked < self._most):
            if not self._stop.is_set() and asked < self._most and time.time_ns() >= due:
                self._ask(due)
                due, asked = due + self._gap, asked + 1
            self._listen(max(0.0, (due - time.time_ns()) / 1e9) if not self._stop.is_set() else 0.05)
            self._give_up()
        self._selector.close()

    def _ask(self, due: int) -> None:
        asking = _Asking(due, socket.socket())
        asking.socket.settimeout(0)
        asking.socket.connect_ex(self._address)
        self._selector.register(asking.socket, selectors.EVENT_WRITE, asking)

    def _listen(self, patience: float) -> None:
        for key, event in self._selector.select(min(patience, 0.05)):
            asking: _Asking = key.data
            try:
                ended = self._send(asking) if event & selectors.EVENT_WRITE else self._receive(asking)
            except OSError:
                ended = True
            if ended:
                self._end(asking)

    def _send(self, asking: _Asking) -> bool:
        asking.socket.send(self._request)
        self._selector.modify(asking.socket, selectors.EVENT_READ, asking)
        return False

    @staticmethod
    def _receive(asking: _Asking) -> bool:
        chunk = asking.socket.recv(CHUNK)
        asking.received += chunk
        return not chunk

    def _give_up(self) -> None:
        now = time.time_ns()
        late = [key.data for key in self._selector.get_map().values() if now - key.data.due > TIMEOUT_NS]
        for asking in late:
            asking.received.clear()
            self._end(asking)

    def _end(self, asking: _Asking) -> None:
        self._selector.unregister(asking.socket)
        asking.socket.close()
        self.answers.append(Answer(asking.due, time.time_ns(), *_read(bytes(asking.received))))


def _read(received: bytes) -> tuple[int | None, str]:
    """Status and version of an HTTP answer."""
    head, blank, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not blank or len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - version, status
        return None, ""
    try:
        return int(words[1]), str(json.loads(body)["version"])
    except (ValueError, KeyError, TypeError):
        return int(words[1]), ""
