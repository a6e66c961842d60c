"""A lock among lastgood processes on one machine: flock(2), so that it ends with its holder, however that ends."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lastgood.model.errors import GitUnavailable

_PAUSE_SECONDS = 0.02


class FileLock:
    """One lock file. Whoever holds it may take it again; threads of one process exclude each other as well."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._mine = threading.RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; raises GitUnavailable where others do for longer than `patience` seconds."""
        if not self._mine.acquire(timeout=self._patience):
            raise self._busy()
        try:
            if self._depth:
                yield from self._again()
            else:
                yield from self._taken()
        finally:
            self._mine.release()

    def _again(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _taken(self) -> Iterator[None]:
        handle = self._open()
        try:
            self._wait(handle)
            yield from self._again()
        finally:
            os.close(handle)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise GitUnavailable(f"{self._path} cannot be opened.", because=(str(error),)) from error

    def _wait(self, handle: int) -> None:
        end = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise self._busy() from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _busy(self) -> GitUnavailable:
        return GitUnavailable(
            "Another lastgood process is working on the copy of the deploy repo.",
            because=(f"{self._path} has been locked for {self._patience:.0f} s",),
            next=("lastgood runs",),
        )
