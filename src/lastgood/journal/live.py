"""Which runs are being carried out right now on this machine: `running` is not `died`.

A process holds an flock on the run's file as long as it lives; the kernel lets go of it even after `kill -9`. Every
look and every change is made under one guard lock, held for an instant, so that looking never gets in the way of
beginning and a file can be removed without another process locking the removed one.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from lastgood.model.errors import JournalUnwritable, LeaseHeld, UsageError
from lastgood.model.text import sanitise

_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


class Live:
    """The lock files in `<folder>/runs`, where `folder` is the journal's."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) / "runs"

    @contextlib.contextmanager
    def executing(self, run: str) -> Iterator[None]:
        """Be the one process that carries out `run`. Raises LeaseHeld where another one on this machine does.

        Raises JournalUnwritable where the lock file cannot be made.
        """
        path = self._path(run)
        with _told(path), self._guard():
            handle = _taken(run, path)
        try:
            yield
        finally:
            # A file left behind is harmless, the lock on it is what counts; it must not spoil the end of a run.
            with contextlib.suppress(OSError), self._guard():
                path.unlink(missing_ok=True)
            os.close(handle)

    def alive(self, run: str) -> bool:
        """Whether a process of this machine carries `run` out at this moment. Raises JournalUnwritable."""
        path = self._path(run)
        with _told(path):
            if not path.exists():
                return False
            with self._guard():
                return _is_held(path)

    def _path(self, run: str) -> Path:
        if not _NAME.fullmatch(run):
            raise UsageError(f"{sanitise(run)!r} is not the id of a run.", next=("lastgood runs",))
        return self._folder / f"{run}.lock"

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / ".guard", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _taken(run: str, path: Path) -> int:
    with contextlib.ExitStack() as undo:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        undo.callback(os.close, handle)
        if not _locked(handle, fcntl.LOCK_EX):
            raise _held(run, os.pread(handle, 32, 0))
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        undo.pop_all()
    return handle


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(run: str, pid: bytes) -> LeaseHeld:
    who = sanitise(pid.decode(errors="replace"))
    return LeaseHeld(
        f"Run {run} is being carried out right now, by process {who} on this machine.",
        next=("wait for it to end", f"lastgood show {run}"),
    )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalUnwritable(
            f"The lock file {path} cannot be used.",
            because=(error.strerror or str(error),),
            next=(f"make {path.parent} a folder that you can write to",),
        ) from error
