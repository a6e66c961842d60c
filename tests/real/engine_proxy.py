"""A Docker engine that can stop answering: a unix socket in front of the real one's."""

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self


class EngineProxy:
    """Hands everything on to the real engine until it dies (connections break) or freezes (silence)."""

    def __init__(self, folder: Path, real: str) -> None:
        self._real = real.removeprefix("unix://")
        self._path = folder / "docker.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._dead = False
        self._going = threading.Event()
        self._going.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    @contextlib.contextmanager
    def before(cls, real: str) -> Iterator[Self]:
        """Stands before the engine at a `unix://` address until the end of the block."""
        folder = Path(tempfile.mkdtemp(prefix="lastgood-engine-"))
        proxy = cls(folder, real)
        try:
            yield proxy
        finally:
            proxy.dies()
            shutil.rmtree(folder)

    @property
    def env(self) -> dict[str, str]:
        """The environment in which programs come here."""
        return {"DOCKER_HOST": f"unix://{self._path}"}

    def dies(self) -> None:
        """Every connection breaks, and no new one is taken."""
        self._path.unlink(missing_ok=True)
        self._listener.close()
        with self._lock:
            self._dead = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._going.set()

    def freezes(self) -> None:
        """Connections are taken and nothing is ever answered."""
        self._going.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._real)
                with self._lock:
                    if self._dead:  # it was taken just before the end
                        client.close()
                        return
                    self._open += [client, engine]
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                self._going.wait()
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
